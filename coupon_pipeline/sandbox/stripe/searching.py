"""Search of subscriptions, which sees changes late (https://docs.stripe.com/search)."""

import base64
import re
from collections import deque
from dataclasses import dataclass
from typing import Final

from coupon_pipeline.sandbox.stripe.account import Account
from coupon_pipeline.sandbox.stripe.answers import Answer, Call, Page, Test, page_size
from coupon_pipeline.sandbox.stripe.errors import StripeError, invalid
from coupon_pipeline.sandbox.stripe.store import StripeObject

LAGS: Final = {"none": 0, "minute": 60, "hour": 60 * 60}
TEXT: Final = r"""(?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
FIELD: Final = r"""(?P<field>metadata\[(?:"(?P<key2>[^"]*)"|'(?P<key1>[^']*)')\]|[a-z_]+)"""
CLAUSE: Final = re.compile(
    rf"\s*(?P<negated>-?)\s*{FIELD}\s*(?P<operator>:|~|<=|>=|<|>)\s*(?:{TEXT}|(?P<bare>-?\w+))\s*"
)
JOINER: Final = re.compile(r"(AND|OR)\b|(?=-|[a-z])", re.IGNORECASE)
NUMERIC: Final = frozenset({"created"})
FIELDS: Final = frozenset({"status", "created", "canceled_at"})


class SearchIndex:
    """Subscriptions as the search sees them: as they were a while ago."""

    def __init__(self) -> None:
        self._visible: dict[str, StripeObject] = {}
        self._waiting: deque[tuple[int, str, StripeObject]] = deque()

    def note(self, now: int, subscription: StripeObject) -> None:
        """A change, which is to be seen later. Stored objects are not changed in place."""
        self._waiting.append((now, subscription["id"], subscription))

    def seen(self, until: int) -> list[StripeObject]:
        """All subscriptions as they were at a time, newest first."""
        while self._waiting and self._waiting[0][0] <= until:
            _, subscription_id, subscription = self._waiting.popleft()
            self._visible[subscription_id] = subscription
        return sorted(self._visible.values(), key=lambda one: -int(one["created"]))


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition of a query."""

    negated: bool
    field: str
    key: str | None
    operator: str
    value: str | None


def search(account: Account, call: Call, index: SearchIndex) -> Answer:
    """A page of matches by metadata, status and the like."""
    test = _parse(account, call.params["query"])
    limit = page_size(call.params)
    now = int(account.clock.now().timestamp())
    seen = index.seen(now - LAGS[account.switches.stripe_search_lag])
    start = _offset(call.params.get("page"))
    found = [account.store.get("subscription", one["id"]) or one for one in seen if test(one)]
    more = len(found) > start + limit
    after = base64.urlsafe_b64encode(str(start + limit).encode()).decode() if more else None
    return Page(
        "subscription",
        found[start : start + limit],
        "/v1/subscriptions/search",
        has_more=more,
        more={"next_page": after},
        object="search_result",
    )


def _offset(page: str | None) -> int:
    if page is None:
        return 0
    try:
        return int(base64.urlsafe_b64decode(page.encode()))
    except ValueError as error:
        raise invalid(f"Invalid page: {page}", "page") from error


def _parse(account: Account, query: str) -> Test:
    """Clauses joined by AND or by OR, never by both."""
    position, clauses, joiners = 0, [], set()
    text = query.strip()
    while True:
        match = CLAUSE.match(text, position)
        if match is None:
            raise _unreadable(query)
        clauses.append(_clause(account, match, query))
        position = match.end()
        if position == len(text):
            break
        joiner = JOINER.match(text, position)
        if joiner is None:
            raise _unreadable(query)
        joiners.add((joiner[1] or "AND").upper())
        position = joiner.end()
    if len(joiners) > 1:
        raise invalid("You cannot combine AND and OR in one query.", "query")
    if joiners == {"OR"}:
        return lambda thing: any(_holds(one, thing) for one in clauses)
    return lambda thing: all(_holds(one, thing) for one in clauses)


def _clause(account: Account, match: re.Match[str], query: str) -> Clause:
    key = match["key1"] if match["key1"] is not None else match["key2"]
    field = "metadata" if key is not None else match["field"]
    if key is None and field not in FIELDS:
        raise invalid(
            f"Field `{field}` is an unsupported search field for resource `subscriptions`.", "query"
        )
    if field in NUMERIC and account.switches.stripe_search_created == "refused":
        raise invalid(
            f"Field `{field}` is an unsupported search field for resource `subscriptions`.", "query"
        )
    value = match["bare"]
    if match["quoted"] is not None:
        value = re.sub(r"\\(.)", r"\1", match["quoted"][1:-1])
    elif value == "null":
        value = None
    elif field not in NUMERIC and field != "canceled_at":
        raise _unreadable(query)
    comparing = match["operator"] not in {":", "~"}
    if comparing and (field not in NUMERIC or value is None or not value.isdigit()):
        raise _unreadable(query)
    return Clause(match["negated"] == "-", field, key, match["operator"], value)


def _holds(clause: Clause, thing: StripeObject) -> bool:
    found = thing["metadata"].get(clause.key) if clause.key is not None else thing[clause.field]
    return _matches(clause, found) != clause.negated


def _matches(clause: Clause, found: object) -> bool:
    if clause.value is None:
        return found is None
    if found is None:
        return False
    if clause.operator == "~":
        return clause.value.lower() in str(found).lower()
    if clause.operator == ":":
        return str(found).lower() == clause.value.lower()
    left, right = int(str(found)), int(clause.value)
    return {
        "<": left < right,
        ">": left > right,
        "<=": left <= right,
        ">=": left >= right,
    }[clause.operator]


def _unreadable(query: str) -> StripeError:
    return invalid(
        f"We were unable to parse your search query: {query}. See "
        "https://stripe.com/docs/search#search-query-language for help.",
        "query",
    )
