"""Which phases a schedule has, one after the other, after it was created or updated."""

from collections.abc import Iterable
from typing import Any, Final

from coupon_pipeline.sandbox.stripe.account import Account
from coupon_pipeline.sandbox.stripe.discounts import Holder
from coupon_pipeline.sandbox.stripe.errors import (
    ConditionError,
    StripeError,
    exclusive_parameters,
    invalid,
)
from coupon_pipeline.sandbox.stripe.items import customer_discounts
from coupon_pipeline.sandbox.stripe.periods import after
from coupon_pipeline.sandbox.stripe.phases import new_phase, phase_at
from coupon_pipeline.sandbox.stripe.store import StripeObject

MOST_PHASES: Final = 10


def new_timeline(
    account: Account, schedule: StripeObject, given: list[dict[str, Any]], start: int
) -> list[StripeObject]:
    """The phases of a new schedule."""
    if len(given) > MOST_PHASES:
        raise _too_many(len(given))
    if "start_date" in given[0] and _moment(given[0]["start_date"], start) != start:
        raise invalid("The first phase starts when the schedule does.", "phases[0][start_date]")
    return _phases(account, schedule, given, start, [], 0)


def replace_phases(
    account: Account, schedule: StripeObject, given: list[dict[str, Any]], now: int
) -> list[StripeObject]:
    """All phases of an updated schedule: those that are past, then those given.

    Past phases may be left out, and may not differ when they are not; the current one keeps
    its start. https://docs.stripe.com/billing/subscriptions/subscription-schedules
    """
    if not given or "start_date" not in given[0]:
        raise StripeError(
            "The first phase must have a `start_date` when a schedule is updated.",
            code="parameter_missing",
            param="phases[0][start_date]",
        )
    past = [phase for phase in schedule["phases"] if phase["end_date"] <= now]
    skipped = _repeats_of_past(past, given, now)
    remaining = given[skipped:]
    if not remaining:
        raise invalid("You must pass the current phase and all later ones.", "phases")
    if len(remaining) > MOST_PHASES:
        raise _too_many(len(remaining))
    current = phase_at(schedule, now)
    start = _first_start(remaining[0], past, now, skipped)
    if schedule["status"] == "active" and current is not None and start != current["start_date"]:
        raise ConditionError(
            "You can not modify the start date of the current phase.",
            param=f"phases[{skipped}][start_date]",
        )
    old = [phase for phase in schedule["phases"] if phase["end_date"] > now]
    return past + _phases(account, schedule, remaining, start, old, skipped)


def _phases(
    account: Account,
    schedule: StripeObject,
    given: list[dict[str, Any]],
    start: int,
    old: list[StripeObject],
    offset: int,
) -> list[StripeObject]:
    holder = _holder(account, schedule)
    known = {item["price"] for phase in schedule["phases"] for item in phase["items"]}
    before = {phase["start_date"]: phase for phase in old}
    now = account.now(schedule["customer"])
    result: list[StripeObject] = []
    for position, params in enumerate(given, start=offset):
        path = f"phases[{position}]"
        if result and "start_date" in params and _moment(params["start_date"], now) != start:
            raise invalid(
                "Phases must follow each other: a phase starts when the one before it ends.",
                f"{path}[start_date]",
            )
        end = _end(account, params, start, now, path)
        phase = new_phase(account, params, start, end, holder, path, before.get(start), known)
        if result and phase["currency"] != result[0]["currency"]:
            raise invalid("All phases must have the same currency.", f"{path}[currency]")
        result.append(phase)
        start = end
    if result[-1]["end_date"] <= now:
        raise invalid("The last phase must end in the future.", f"phases[{offset}][end_date]")
    return result


def _holder(account: Account, schedule: StripeObject) -> Holder:
    """What discounts a phase may keep: those on the subscription, its items and the customer."""
    subscription = account.store.get("subscription", schedule["subscription"] or "")
    if subscription is None:
        owner = {"customer": schedule["customer"]}
        found = tuple(customer_discounts(account, owner))
        return Holder(customer=schedule["customer"], currency=None, inherited=found)
    return Holder(
        customer=schedule["customer"],
        currency=subscription["currency"],
        subscription=subscription["id"],
        existing=(*subscription["discounts"], *_of_items(account, subscription)),
        inherited=tuple(customer_discounts(account, subscription)),
    )


def _of_items(account: Account, subscription: StripeObject) -> Iterable[str]:
    for item_id in subscription["_items"]:
        item = account.store.get("subscription_item", item_id)
        if item is not None:
            yield from item["discounts"]


def _end(account: Account, params: dict[str, Any], start: int, now: int, path: str) -> int:
    if "end_date" in params and "duration" in params:
        raise exclusive_parameters([f"{path}[end_date]", f"{path}[duration]"])
    if "end_date" in params:
        end = _moment(params["end_date"], now)
    elif "duration" in params:
        duration = params["duration"]
        end = after(start, duration["interval"], duration.get("interval_count", 1))
    else:
        end = _one_period(account, params, start)
    if end <= start:
        raise invalid("The end of a phase must be after its start.", f"{path}[end_date]")
    return end


def _one_period(account: Account, params: dict[str, Any], start: int) -> int:
    """A phase without an end lasts for one billing period of its first item."""
    first = params["items"][0] if params["items"] else {}
    recurring = first.get("price_data", {}).get("recurring")
    if recurring is None:
        price = account.store.get("price", first.get("price") or first.get("plan") or "")
        recurring = (price or {}).get("recurring") or {"interval": "month"}
    return after(start, recurring["interval"], recurring.get("interval_count", 1))


def _repeats_of_past(past: list[StripeObject], given: list[dict[str, Any]], now: int) -> int:
    """How many of the given phases are past ones, which may not be changed any more."""
    known = {(phase["start_date"], phase["end_date"]) for phase in past}
    count = 0
    for params in given:
        end = params.get("end_date")
        if not isinstance(end, int) or end > now:
            break
        if (params.get("start_date"), end) not in known:
            raise ConditionError(
                "You can not modify the phases that have ended.", param=f"phases[{count}]"
            )
        count += 1
    return count


def _first_start(params: dict[str, Any], past: list[StripeObject], now: int, position: int) -> int:
    if "start_date" in params:
        return _moment(params["start_date"], now)
    if past and position:
        end: int = past[-1]["end_date"]
        return end
    raise StripeError(
        "The first phase must have a `start_date` when a schedule is updated.",
        code="parameter_missing",
        param=f"phases[{position}][start_date]",
    )


def _moment(given: int | str, now: int) -> int:
    return now if isinstance(given, str) else given


def _too_many(count: int) -> StripeError:
    return invalid(
        f"A schedule may have at most {MOST_PHASES} current and future phases; {count} were "
        "passed.",
        "phases",
    )
