"""Salesforce's side for people: any record at its real address, with what hangs on it.

Addresses: `/{id}` and `/lightning/r/{Object}/{Id}/view`; lists at `/lightning/o/{Object}/list`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from coupon_pipeline.sandbox.pages.controls import CONTROL_MENU, control_routes
from coupon_pipeline.sandbox.pages.stripe_cells import dashboard_section
from coupon_pipeline.sandbox.pages.view import (
    NOTHING,
    Cell,
    Facts,
    Frame,
    Page,
    Paging,
    Table,
    render,
)
from coupon_pipeline.sandbox.salesforce.schema import Field, ObjectType
from coupon_pipeline.sandbox.salesforce.schema.spec import Scalar
from coupon_pipeline.sandbox.salesforce.store import Row

if TYPE_CHECKING:  # the sandbox serves this module
    from coupon_pipeline.sandbox.serving import Sandbox

LISTED: Final = {
    "Order": ("AccountId", "StatusCode", "ActivatedDate", "CurrencyIsoCode", "Stripe_ID__c"),
    "Quote_Stripe_Coupon__c": (
        "Name__c",
        "Percent_Off__c",
        "Amount_Off__c",
        "CurrencyIsoCode",
        "Duration__c",
        "Duration_In_Months__c",
        "Max_Redemptions__c",
    ),
    "SBQQ__Quote__c": ("SBQQ__Account__c", "SBQQ__Status__c", "SBQQ__StartDate__c"),
    "Account": ("BillingCity", "BillingCountry", "CurrencyIsoCode", "Stripe_ID__c"),
    "Product2": ("ProductCode", "Family", "Stripe_ID__c"),
    "Order_Stripe_Coupon__c": (
        "Name__c",
        "Percent_Off__c",
        "Amount_Off__c",
        "Duration__c",
        "Quote_Stripe_Coupon_Id__c",
        "Stripe_ID__c",
    ),
    "OrderItem": ("Product2Id", "Quantity", "UnitPrice", "SBQQ__QuoteLine__c", "Stripe_ID__c"),
    "SBQQ__QuoteLine__c": ("SBQQ__Product__c", "SBQQ__Quantity__c", "SBQQ__ListPrice__c"),
    "Quote_Stripe_Coupon_Association__c": ("Quote__c", "Quote_Stripe_Coupon__c", "CreatedDate"),
    "Quote_Line_Stripe_Coupon_Association__c": (
        "Quote_Line__c",
        "Quote_Stripe_Coupon__c",
        "CreatedDate",
    ),
    "Opportunity": ("AccountId", "StageName", "CloseDate"),
}
"""Which fields a list of these objects shows beside the record's name."""

MENU_OBJECTS: Final = ("Order", "Quote_Stripe_Coupon__c", "SBQQ__Quote__c", "Account", "Product2")
HIDDEN_FIELDS: Final = {"Id", "IsDeleted", "SystemModstamp", "LastModifiedById", "CreatedById"}
COUPON_COLUMNS: Final = (
    "Discounts",
    "Quote coupon",
    "Associated",
    "Order coupon",
    "Terms copied",
    "Stripe ID",
)
LATEST: Final = 10
RELATED: Final = 100


def salesforce_pages(sandbox: "Sandbox") -> ASGIApp:
    """All pages of the org."""
    site = _Site(sandbox)
    return Starlette(
        routes=[
            Route("/", site.home),
            *control_routes(sandbox, "salesforce", site.frame),
            Route("/lightning/o/{name}/list", site.listing),
            Route("/lightning/r/{name}/{record_id}/view", site.record),
            Route("/lightning/r/{record_id}/view", site.record),
            Route("/{record_id}", site.record),
        ],
        exception_handlers={404: site.not_found},
    )


@dataclass(frozen=True)
class _Site:
    sandbox: "Sandbox"

    def frame(self, request: Request) -> Frame:
        """Header and footer."""
        menu = [
            Cell(_plural(self._object(key)), f"/lightning/o/{self._object(key).name}/list")
            for key in MENU_OBJECTS
        ]
        return Frame(
            "salesforce",
            "Salesforce",
            [Cell("Home", "/"), *menu, *CONTROL_MENU],
            f"{self.sandbox.clock.now():%Y-%m-%d %H:%M:%S} UTC",
            request.url.path,
        )

    async def not_found(self, request: Request, _error: Exception) -> Response:
        """A page that says so."""
        page = Page("No such page", lead="There is no record at this address.", status=404)
        return render(page, self.frame(request))

    async def home(self, request: Request) -> Response:
        """How many records there are, and the latest orders."""
        service = self.sandbox.salesforce
        counts = [
            (
                Cell(_plural(self._object(key)), f"/lightning/o/{self._object(key).name}/list"),
                Cell(self._object(key).name, code=True),
                Cell(f"{len(service.all(key)):,}", number=True),
            )
            for key in LISTED
        ]
        orders = [row for row in service.all("Order") if row.get("ActivatedDate")]
        latest = sorted(orders, key=lambda row: str(row["ActivatedDate"]), reverse=True)[:LATEST]
        page = Page(
            "The company's org",
            kicker=f"Organization {service.org_id}",
            sections=(
                self._table("Order", latest, "Latest orders", "The last orders to be activated"),
                Table(
                    "Records",
                    "Objects and how many records each has",
                    ("Object", "API name", "Records"),
                    counts,
                ),
            ),
        )
        return render(page, self.frame(request))

    async def listing(self, request: Request) -> Response:
        """All records of an object, the newest first."""
        kind = self._named(request.path_params["name"])
        if kind is None:
            return await self.not_found(request, KeyError())
        rows = self.sandbox.salesforce.all(kind.key)[::-1]
        path = f"/lightning/o/{kind.name}/list"
        paging = Paging.of(len(rows), request.query_params.get("page"), path)
        caption = f"{len(rows):,} records, the newest first"
        table = self._table(kind.key, rows[paging.rows], _plural(kind), caption, paging)
        page = Page(_plural(kind), kicker=kind.name, sections=(table,))
        return render(page, self.frame(request))

    async def record(self, request: Request) -> Response:
        """One record with its related lists."""
        row = self._find(request.path_params["record_id"])
        if row is None:
            return await self.not_found(request, KeyError())
        return render(self._record_page(row), self.frame(request))

    def _record_page(self, row: Row) -> Page:
        kind = self._kind_of(str(row["Id"]))
        path = f"/lightning/o/{kind.name}/list"
        return Page(
            self._title(row),
            kicker=kind.spec.label,
            badge=_badge(row),
            trail=(Cell("Home", "/"), Cell(_plural(kind), path), Cell(str(row["Id"]), code=True)),
            sections=[
                *(self._coupons_of_order(row) if kind.key == "Order" else ()),
                Facts("Details", list(self._details(kind, row))),
                *self._related(kind, row),
            ],
        )

    def _details(self, kind: ObjectType, row: Row) -> Iterable[tuple[str, Cell]]:
        for field in kind.fields:
            if field.key not in HIDDEN_FIELDS and row.get(field.key) not in (None, ""):
                yield field.spec.label, self._cell(field, row)

    def _coupons_of_order(self, order: Row) -> Iterable[Table]:
        """What was associated before activation, next to what the trigger made of it."""
        rows = self._coupons_of(
            Cell("Order"),
            self._where(
                "Quote_Stripe_Coupon_Association__c", "Quote__c", order.get("SBQQ__Quote__c")
            ),
            self._where("Order_Stripe_Coupon__c", "Order__c", order["Id"]),
        )
        for item in self._where("OrderItem", "OrderId", order["Id"]):
            product = self._link(str(item["Product2Id"])).text
            rows += self._coupons_of(
                Cell(product, f"/{item['Id']}"),
                self._where(
                    "Quote_Line_Stripe_Coupon_Association__c",
                    "Quote_Line__c",
                    item.get("SBQQ__QuoteLine__c"),
                ),
                self._where("Order_Stripe_Coupon__c", "Order_Item__c", item["Id"]),
            )
        yield Table(
            "Coupons",
            "Coupons of the order and of its products, with what the trigger copied at activation",
            COUPON_COLUMNS,
            rows,
            empty="No coupon is associated with this order or its products.",
        )

    def _coupons_of(
        self, scope: Cell, associations: Sequence[Row], copies: Sequence[Row]
    ) -> list[Sequence[Cell]]:
        copy_of = {str(copy["Quote_Stripe_Coupon_Id__c"]): copy for copy in copies}
        rows = []
        for association in associations:
            coupon_id = str(association["Quote_Stripe_Coupon__c"])
            copy = copy_of.pop(coupon_id, None)
            rows.append(self._coupon_row(scope, coupon_id, association, copy))
        for coupon_id, copy in copy_of.items():
            rows.append(self._coupon_row(scope, coupon_id, None, copy))
        return rows

    def _coupon_row(
        self, scope: Cell, coupon_id: str, association: Row | None, copy: Row | None
    ) -> Sequence[Cell]:
        stripe_id = None if copy is None else copy.get("Stripe_ID__c")
        return (
            scope,
            self._link(coupon_id),
            Cell("association deleted", tone="warn")
            if association is None
            else Cell(_moment(str(association["CreatedDate"]))),
            Cell("missing", tone="warn") if copy is None else self._link(str(copy["Id"])),
            NOTHING if copy is None else Cell(_terms(copy)),
            NOTHING
            if copy is None or not stripe_id
            else self._stripe_link(str(copy["Id"]), str(stripe_id)),
        )

    def _related(self, kind: ObjectType, row: Row) -> Iterable[Table]:
        lists = [(child.child, child.field.key) for child in kind.children.values()]
        if kind.key == "Quote_Stripe_Coupon__c":
            lists.append(("Order_Stripe_Coupon__c", "Quote_Stripe_Coupon_Id__c"))
        for key, field in lists:
            rows = self._where(key, field, row["Id"]) if key in LISTED else []
            if rows:
                caption = "1 record" if len(rows) == 1 else f"{len(rows):,} records"
                if len(rows) > RELATED:
                    caption += f", the newest {RELATED} shown"
                yield self._table(key, rows[::-1][:RELATED], _plural(self._object(key)), caption)

    def _table(
        self,
        key: str,
        rows: Sequence[Row],
        heading: str,
        caption: str,
        paging: Paging | None = None,
    ) -> Table:
        kind = self._object(key)
        fields = [kind.by_key[name] for name in LISTED.get(key, ()) if name in kind.by_key]
        return Table(
            heading,
            caption,
            ("Record", *(field.spec.label for field in fields)),
            [
                (self._link(str(row["Id"])), *(self._cell(field, row) for field in fields))
                for row in rows
            ],
            paging=paging,
        )

    def _cell(self, field: Field, row: Row) -> Cell:
        value = row.get(field.key)
        if value is None or value == "":
            return NOTHING
        if field.spec.kind == "reference" or field.key == "Quote_Stripe_Coupon_Id__c":
            return self._link(str(value))
        if field.key == "Stripe_ID__c":
            return self._stripe_link(str(row["Id"]), str(value))
        return _plain(field, value)

    def _link(self, record_id: str) -> Cell:
        row = self._find(record_id)
        if row is None:
            return Cell(record_id, code=True, tone="warn")
        return Cell(self._title(row), f"/{record_id}")

    def _stripe_link(self, record_id: str, stripe_id: str) -> Cell:
        """To the other service's page of what `Stripe_ID__c` names."""
        kind = self._kind_of(record_id).key
        section = "coupons" if kind.endswith("Coupon__c") else dashboard_section(stripe_id)
        if section is None:
            return Cell(stripe_id, code=True)
        stripe = self.sandbox.addresses.stripe_url
        return Cell(stripe_id, f"{stripe}/test/{section}/{stripe_id}", code=True)

    def _title(self, row: Row) -> str:
        kind = self._kind_of(str(row["Id"]))
        name = row.get("Name__c") or row.get("Name")
        number = kind.name_field.key if kind.name_field else "Id"
        numbered = row.get(number)
        if name and numbered and name != numbered:
            return f"{numbered} {name}"
        return str(name or numbered or row["Id"])

    def _find(self, record_id: str) -> Row | None:
        kind = self.sandbox.salesforce.schema.by_prefix.get(record_id[:3])
        return None if kind is None else self.sandbox.salesforce.get(kind.key, record_id)

    def _kind_of(self, record_id: str) -> ObjectType:
        return self.sandbox.salesforce.schema.by_prefix[record_id[:3]]

    def _object(self, key: str) -> ObjectType:
        return self.sandbox.salesforce.schema[key]

    def _named(self, name: str) -> ObjectType | None:
        schema = self.sandbox.salesforce.schema
        return schema.object_named(name) or schema.objects.get(name)

    def _where(self, key: str, field: str, value: Scalar) -> list[Row]:
        if value is None:
            return []
        return self.sandbox.salesforce.where(key, field, value)


def _plain(field: Field, value: Scalar) -> Cell:
    if isinstance(value, bool):
        return Cell("yes" if value else "no")
    if isinstance(value, Decimal):
        return Cell(f"{value:f}", number=True)
    return Cell(_moment(str(value)) if field.spec.kind == "datetime" else str(value))


def _plural(kind: ObjectType) -> str:
    return kind.spec.plural or f"{kind.spec.label}s"


def _badge(row: Row) -> Cell | None:
    if row.get("IsDeleted"):
        return Cell("deleted", tone="warn")
    status = row.get("StatusCode") or row.get("SBQQ__Status__c")
    if status is None:
        return None
    return Cell(str(status), tone="good" if status in ("Activated", "Accepted") else "plain")


def _moment(stamp: str) -> str:
    return f"{stamp[:10]} {stamp[11:19]}"


def _terms(coupon: Row) -> str:
    percent, amount = coupon.get("Percent_Off__c"), coupon.get("Amount_Off__c")
    duration, months = coupon.get("Duration__c"), coupon.get("Duration_In_Months__c")
    parts = [
        f"{percent:f} %" if isinstance(percent, Decimal) else "",
        f"{amount:f} off" if isinstance(amount, Decimal) else "",
        str(duration),
        f"{months:f} months" if isinstance(months, Decimal) else "",
    ]
    return ", ".join(part for part in parts if part)
