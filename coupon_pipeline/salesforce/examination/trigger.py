"""Does the managed package's trigger do its work?

When an order is activated, it copies the quote's coupons to the order
(https://docs.stripe.com/connectors/salesforce-cpq/coupons). It can leave them out without any
visible error; what it left out is what its order coupons do not show.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from coupon_pipeline.domain.diagnosis import Diagnosis, Subject
from coupon_pipeline.salesforce.describing import OrgObject, Survey
from coupon_pipeline.salesforce.errors import SalesforceError
from coupon_pipeline.salesforce.examination.connection import AREA
from coupon_pipeline.salesforce.json_values import as_object
from coupon_pipeline.salesforce.names import (
    ORDER_COUPON,
    ORDER_ITEM_OF_COUPON,
    ORDER_OF_COUPON,
    QUOTE_ASSOCIATION,
    QUOTE_LINE_ASSOCIATION,
)
from coupon_pipeline.salesforce.needs import QUOTE, QUOTE_LINE
from coupon_pipeline.salesforce.querying import get_of, read_pages, read_together, records_of
from coupon_pipeline.salesforce.rows import Row
from coupon_pipeline.salesforce.session import SalesforceSession
from coupon_pipeline.salesforce.statements import (
    Statement,
    count,
    ids,
    is_in,
    parts_of_ids,
    select,
)

LOOKED_BACK = timedelta(days=30)
"""By the org's clock; `LAST_N_DAYS` begins at midnight of that day."""
_MOST = 200
"""Of each kind so many are looked at more closely: one page."""
_NAMED = 5
_TRIGGER = Subject("salesforce.trigger", AREA, "activation trigger")
_WHAT = "Reading what the trigger did"


@dataclass(frozen=True, slots=True)
class _Level:
    """Where coupons were: on the quote and so on its order, or on a line and so on its item."""

    association: OrgObject
    parent: str
    scope: str
    prefix: str
    """From the scope to its order."""
    lookup: str
    copy: OrgObject
    copy_lookup: str

    def statements(self, name: str) -> list[Statement]:
        """Scopes with coupons, counted, and those of them without an order coupon."""
        with_coupons = (
            f"{self.prefix}StatusCode = 'Activated' "
            f"AND {self.prefix}ActivatedDate = LAST_N_DAYS:{LOOKED_BACK.days} AND "
            + is_in(self.lookup, self.parent, self.association.api_name, f"{self.parent} != null")
        )
        without_copy = "Id NOT IN (" + select(
            [self.copy_lookup], self.copy.api_name, f"{self.copy_lookup} != null"
        )
        fields = ["Id", f"{self.prefix}OrderNumber", f"{self.prefix}ActivatedDate", self.lookup]
        return [
            Statement(f"{name}_all", count(self.scope, with_coupons)),
            Statement(
                f"{name}_left_out",
                select(
                    fields,
                    self.scope,
                    f"{with_coupons} AND {without_copy})",
                    f"ORDER BY {self.prefix}ActivatedDate DESC LIMIT {_MOST}",
                ),
            ),
        ]


def trigger_line(session: SalesforceSession, found: Survey) -> Diagnosis:
    """How many scopes that were activated with coupons in the last 30 days have no order coupon.

    Raises:
        SalesforceError: the org could not be asked.
    """
    levels = _levels(found)
    if levels is None:
        return _TRIGGER.unknown(
            "Associations or order coupons cannot be read.",
            "Give the user access to them first.",
        )
    statements = [each for name, level in levels.items() for each in level.statements(name)]
    answers = read_together(session, [get_of(statement) for statement in statements], _WHAT)
    seen, orders = 0, set()
    for name, level in levels.items():
        counted, listed = answers[f"{name}_all"], answers[f"{name}_left_out"]
        if isinstance(counted, SalesforceError):
            raise counted
        if isinstance(listed, SalesforceError):
            raise listed
        total = as_object(counted).get("totalSize")
        seen += total if isinstance(total, int) else 0
        orders |= _signed_before(session, level, map(Row, records_of(listed)))
    return _line(seen, sorted(orders, reverse=True))


def _line(seen: int, orders: list[str]) -> Diagnosis:
    days = LOOKED_BACK.days
    if not seen:
        return _TRIGGER.unknown(
            f"No order with coupons was activated in the last {days} days.",
            "Run `coupon-pipeline doctor` again when one was.",
        )
    if not orders:
        return _TRIGGER.passed(
            f"All {seen} orders and order products that were activated with coupons in the last "
            f"{days} days have order coupons."
        )
    more = "" if len(orders) <= _NAMED else f" and {len(orders) - _NAMED} more"
    return _TRIGGER.failed(
        f"Of {seen} orders and order products that were activated with coupons in the last {days} "
        f"days some have no order coupon: orders {', '.join(orders[:_NAMED])}{more}.",
        "The pipeline grants their coupons from the associations, and writes the missing order "
        "coupons when COUPON_PIPELINE_WRITE_BACK has order_coupons. To mend the cause, look at "
        "Setup, Apex Jobs and Debug Logs of the activating user: the trigger wants the order to "
        "go from the status label Draft to Activated, with its quote set.",
    )


def _signed_before(session: SalesforceSession, level: _Level, rows: Iterable[Row]) -> set[str]:
    """Numbers of the orders whose coupons were associated when they were activated."""
    scopes = list(rows)
    parents = [parent for row in scopes if (parent := row.id(level.lookup)) is not None]
    statements = [
        Statement(
            f"associations_{number}",
            select(
                [level.parent, "CreatedDate"],
                level.association.api_name,
                f"{level.parent} IN {ids(part)}",
            ),
        )
        for number, part in enumerate(parts_of_ids(parents))
    ]
    first: dict[str, datetime] = {}
    for page in read_pages(session, statements, _WHAT):
        for row in page.rows:
            parent, created = row.known_id(level.parent), row.known_moment("CreatedDate")
            first[parent] = min(created, first.get(parent, created))
    return {
        row.text(f"{level.prefix}OrderNumber") or ""
        for row in scopes
        if (parent := row.id(level.lookup)) in first
        and first[parent] <= row.known_moment(f"{level.prefix}ActivatedDate")
    }


def _levels(found: Survey) -> dict[str, _Level] | None:
    copy = found.objects.get(ORDER_COUPON)
    on_quote = found.objects.get(QUOTE_ASSOCIATION)
    on_line = found.objects.get(QUOTE_LINE_ASSOCIATION)
    if copy is None or on_quote is None or on_line is None:
        return None
    needed = (
        (on_quote, "Quote__c"),
        (on_line, "Quote_Line__c"),
        (copy, ORDER_OF_COUPON),
        (copy, ORDER_ITEM_OF_COUPON),
    )
    if not all(described.has(field) for described, field in needed):
        return None
    return {
        "orders": _Level(
            association=on_quote,
            parent=on_quote.api("Quote__c"),
            scope="Order",
            prefix="",
            lookup=QUOTE,
            copy=copy,
            copy_lookup=copy.api(ORDER_OF_COUPON),
        ),
        "items": _Level(
            association=on_line,
            parent=on_line.api("Quote_Line__c"),
            scope="OrderItem",
            prefix="Order.",
            lookup=QUOTE_LINE,
            copy=copy,
            copy_lookup=copy.api(ORDER_ITEM_OF_COUPON),
        ),
    }
