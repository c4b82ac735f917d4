"""What handlers are given and what they give back."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from coupon_pipeline.sandbox.stripe.account import Account
from coupon_pipeline.sandbox.stripe.errors import exclusive_parameters, invalid
from coupon_pipeline.sandbox.stripe.store import StripeObject

LARGEST_PAGE = 100
USUAL_PAGE = 10


@dataclass(frozen=True, slots=True)
class Call:
    """One request: typed parameters, and the ids in its path."""

    params: dict[str, Any]
    ids: tuple[str, ...] = ()
    version: str = ""

    @property
    def id(self) -> str:
        """The first id in the path."""
        return self.ids[0]


@dataclass(frozen=True, slots=True)
class Shown:
    """One object. `undo` takes back what the handler did, once the answer is made."""

    kind: str
    thing: StripeObject
    undo: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Members of a list."""

    kind: str
    things: list[StripeObject]
    url: str
    has_more: bool
    more: dict[str, Any] = field(default_factory=dict)
    object: str = "list"


Answer: TypeAlias = Shown | Page
Handler: TypeAlias = Callable[[Account, Call], Answer]
Test: TypeAlias = Callable[[StripeObject], bool]


def page_size(params: dict[str, Any]) -> int:
    """`limit`, within Stripe's bounds."""
    limit: int = params.get("limit", USUAL_PAGE)
    if not 1 <= limit <= LARGEST_PAGE:
        bound = "less than or equal to 100" if limit > LARGEST_PAGE else "at least 1"
        raise invalid(
            f"Invalid integer: this value must be {bound}.", "limit", "parameter_invalid_integer"
        )
    return limit


def list_page(
    account: Account,
    kind: str,
    call: Call,
    url: str,
    wanted: Test | None = None,
    among: list[StripeObject] | None = None,
) -> Page:
    """Newest first, from a cursor on (https://docs.stripe.com/api/pagination).

    `among`, oldest first, says which objects come into question; by default all.
    """
    limit = page_size(call.params)
    after, before = call.params.get("starting_after"), call.params.get("ending_before")
    if after is not None and before is not None:
        raise exclusive_parameters(["starting_after", "ending_before"])
    cursor = before if after is None else after
    if cursor is not None:
        account.need_given(kind, cursor, "starting_after" if before is None else "ending_before")
    candidates = _candidates(account, kind, cursor, among, backwards=before is not None)
    found: list[StripeObject] = []
    for thing in candidates:
        if thing.get("deleted") or (wanted is not None and not wanted(thing)):
            continue
        found.append(thing)
        if len(found) > limit:
            break
    things = found[:limit]
    if before is not None:
        things.reverse()
    return Page(kind, things, url, has_more=len(found) > limit)


def _candidates(
    account: Account,
    kind: str,
    cursor: str | None,
    among: list[StripeObject] | None,
    *,
    backwards: bool,
) -> Iterable[StripeObject]:
    if among is None:
        if backwards and cursor is not None:
            return account.store.newer(kind, cursor)
        return account.store.older(kind, cursor)
    places = account.store.table(kind).places
    if cursor is None:
        return reversed(among)
    if backwards:
        return [one for one in among if places[one["id"]] > places[cursor]]
    return reversed([one for one in among if places[one["id"]] < places[cursor]])


def in_range(given: Any, value: int | None) -> bool:
    """Whether a time fits a filter: None, the second itself, or bounds gt, gte, lt, lte."""
    if given is None:
        return True
    if value is None:
        return False
    if isinstance(given, int):
        return value == given
    return (
        ("gt" not in given or value > given["gt"])
        and ("gte" not in given or value >= given["gte"])
        and ("lt" not in given or value < given["lt"])
        and ("lte" not in given or value <= given["lte"])
    )


def all_of(*tests: Test | None) -> Test:
    """A test that holds when all hold; None is no condition."""
    real = [test for test in tests if test is not None]
    return lambda thing: all(test(thing) for test in real)


def equals(params: dict[str, Any], *names: str) -> Test | None:
    """A test that the fields have the values that the parameters of the same name give."""
    wanted = {name: params[name] for name in names if name in params}
    if not wanted:
        return None
    return lambda thing: all(thing.get(name) == value for name, value in wanted.items())


def created(params: dict[str, Any]) -> Test | None:
    """A test for the filter `created`."""
    if "created" not in params:
        return None
    return lambda thing: in_range(params["created"], thing["created"])
