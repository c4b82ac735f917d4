"""A phase goes back to Stripe with everything that was on it.

The phases are made from the SDK's own parameter types, so a parameter that a later SDK adds is
tried here without anybody remembering it.
"""

import typing
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stripe import SubscriptionSchedule
from stripe._stripe_object import UntypedStripeObject
from stripe.params import _subscription_schedule_modify_params as sdk

from coupon_pipeline.domain.phases import entries_of, phase_params, unwritable
from coupon_pipeline.domain.targets import DiscountEntry
from coupon_pipeline.stripe_api.messages import JsonObject, JsonValue
from coupon_pipeline.stripe_api.targets import parse_schedule

PHASE = sdk.SubscriptionScheduleModifyParamsPhase

INSTEAD = {
    "price_data": "a reply shows the price that was made from it",
    "plan": "the older name of the price",
    "duration": "a reply shows the end date that it led to",
}
"""Parameters that a reply never shows, and why."""

OBJECTS = {"price", "tax_rates", "default_tax_rates", "default_payment_method", "on_behalf_of"}
OBJECTS |= {"account", "destination", "account_tax_ids"}
"""What a reply may show as an object where the parameter is an id."""

ids = st.text("abcdefghij", min_size=3, max_size=6).map(lambda text: f"id_{text}")
texts = st.text("abcdefghij ", min_size=1, max_size=8)


def hints(of: object) -> dict[str, Any]:
    """The keys of a parameter type with their types, quotes resolved."""
    return get_type_hints(of, vars(sdk), include_extras=False)


def values(of: Any, key: str) -> st.SearchStrategy[Any]:
    """Values of a parameter's type, the empty string that clears left out."""
    origin, arguments = get_origin(of), get_args(of)
    if isinstance(of, type) and hasattr(of, "__total__"):
        return params(of)
    if origin is Literal:
        return st.sampled_from([each for each in arguments if each not in {"", "now"}])
    if origin in {list, typing.List}:  # noqa: UP006 - the SDK's annotation
        return st.lists(values(arguments[0], key), min_size=1, max_size=2)
    if origin in {dict, UntypedStripeObject}:
        return st.dictionaries(texts, texts, min_size=1, max_size=2)
    if arguments:
        kinds = [each for each in arguments if each not in {Literal[""], Literal["now"]}]
        kinds = [each for each in kinds if get_origin(each) is not UntypedStripeObject]
        named = [each for each in kinds if get_origin(each) is Literal]
        return values((named or kinds)[0], key)
    return {
        bool: st.booleans(),
        int: st.integers(0, 10**9),
        float: st.integers(0, 10_000).map(lambda hundredths: Decimal(hundredths) / 100),
        str: ids if key in OBJECTS or key in {"coupon", "discount", "promotion_code"} else texts,
    }[of]


def params(of: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Parameters of a type, each optional key there or not."""
    fields = {key: each for key, each in hints(of).items() if key not in INSTEAD}
    if set(fields) == {"coupon", "discount", "promotion_code"}:
        return st.sampled_from(sorted(fields)).flatmap(
            lambda kind: st.fixed_dictionaries({kind: ids})
        )
    always = set(of.__required_keys__) | {
        "start_date",
        "end_date",
        "currency",
        "discounts",
        "price",
    }
    always |= {"proration_behavior"}
    return st.fixed_dictionaries(
        {key: values(each, key) for key, each in fields.items() if key in always},
        optional={key: values(each, key) for key, each in fields.items() if key not in always},
    ).filter(bool)


def shown(sent: Mapping[str, Any], of: Any, *, expanded: bool) -> JsonObject:
    """What a reply shows of parameters: every key, nulls, objects for ids."""
    reply: JsonObject = {}
    for key in of.__annotations__:
        reply[key] = shown_value(sent.get(key), of, key, expanded=expanded)
    return reply


def shown_value(value: Any, of: Any, key: str, *, expanded: bool) -> JsonValue:
    """One value as a reply has it."""
    inner = getattr(of, "_inner_class_types", {}).get(key)
    if value is None:
        return [] if key in {"discounts", "add_invoice_items", "items"} else None
    if isinstance(value, list):
        return [shown_value(each, of, key, expanded=expanded) for each in value]
    if inner is not None:
        return shown(value, inner, expanded=expanded)
    if key in OBJECTS and (expanded or key in {"tax_rates", "default_tax_rates"}):
        return {"id": value, "object": key}
    return cast("JsonValue", value)


def schedule_of(phase: JsonObject) -> JsonObject:
    """A schedule that has not begun and has this one phase."""
    return {
        "id": "sub_sched_1",
        "object": "subscription_schedule",
        "status": "not_started",
        "customer": "cus_1",
        "end_behavior": "release",
        "livemode": False,
        "phases": [phase],
    }


@given(params(PHASE), st.booleans())
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
def test_a_phase_is_sent_back_with_everything_that_was_on_it(
    sent: dict[str, Any],
    expanded: bool,  # noqa: FBT001 - hypothesis passes it by name
) -> None:
    """An update unsets what it leaves out, and the customer sees it only at the next phase."""
    reply = shown(sent, SubscriptionSchedule.Phase, expanded=expanded)
    (phase,) = parse_schedule(schedule_of(reply)).phases

    assert unwritable(phase.body) == ()
    again = phase_params(phase, phase.discounts, [item.discounts for item in phase.items])
    for item in sent["items"]:
        item.setdefault("discounts", "")
    if sent.get("trial"):
        sent.pop("trial_end", None)
    assert again == sent


def test_a_trial_phase_says_so_once() -> None:
    """`trial` lasts to the end of the phase, so a `trial_end` could only disagree with it."""
    reply: JsonObject = {
        "start_date": 1,
        "end_date": 2,
        "currency": "usd",
        "items": [],
        "trial": True,
        "trial_end": 2,
    }
    (phase,) = parse_schedule(schedule_of(reply)).phases

    params = phase_params(phase, [], [])

    assert params["trial"] is True
    assert "trial_end" not in params


def test_every_parameter_of_a_phase_is_tried() -> None:
    """A parameter that the replies do not show must be known here by name, with its reason."""
    fields = hints(PHASE)

    never_shown = set(fields) - set(SubscriptionSchedule.Phase.__annotations__)

    assert never_shown <= set(INSTEAD)


@given(params(PHASE))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
def test_what_no_parameter_takes_is_named(sent: dict[str, Any]) -> None:
    """A key of a later API version would be lost by rewriting the phase."""
    reply = shown(sent, SubscriptionSchedule.Phase, expanded=False)
    reply["loyalty"] = {"level": 3}

    assert unwritable(reply) == ("loyalty",)


def test_what_only_a_reply_says_is_left_out() -> None:
    """Stripe refuses parameters that it does not know."""
    reply: JsonObject = {
        "start_date": 1,
        "end_date": 2,
        "currency": "usd",
        "automatic_tax": {"enabled": True, "disabled_reason": "requires_location_inputs"},
        "items": [{"price": "price_1", "plan": "price_1", "quantity": 1, "discounts": []}],
    }
    (phase,) = parse_schedule(schedule_of(reply)).phases

    params = phase_params(phase, [], [[]])

    assert unwritable(reply) == ()
    assert params["automatic_tax"] == {"enabled": True}
    assert params["items"] == [{"price": "price_1", "quantity": 1, "discounts": ""}]


def test_an_empty_list_is_sent_as_none_rather_than_left_out() -> None:
    """A list that is left out inherits the customer's discount or keeps nobody knows what."""
    reply: JsonObject = {
        "start_date": 1,
        "end_date": 2,
        "currency": "usd",
        "items": [{"price": "price_1"}],
    }
    (phase,) = parse_schedule(schedule_of(reply)).phases

    params = phase_params(phase, [], [[]])

    assert params["discounts"] == ""
    assert params["items"] == [{"price": "price_1", "discounts": ""}]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (
            {"coupon": "c", "discount": None, "promotion_code": None},
            DiscountEntry("coupon", "c", "c"),
        ),
        (
            {"coupon": "c", "discount": "di_1", "promotion_code": None},
            DiscountEntry("discount", "di_1", "c"),
        ),
        (
            {"coupon": {"id": "c", "object": "coupon"}, "discount": None},
            DiscountEntry("coupon", "c", "c"),
        ),
        (
            {"discount": {"id": "di_1", "source": {"type": "coupon", "coupon": "c"}}},
            DiscountEntry("discount", "di_1", "c"),
        ),
        (
            {"promotion_code": {"id": "promo_1", "promotion": {"coupon": "c"}}},
            DiscountEntry("promotion_code", "promo_1", "c"),
        ),
        ({"promotion_code": "promo_1"}, DiscountEntry("promotion_code", "promo_1", None)),
    ],
)
def test_a_discount_that_exists_is_kept_rather_than_made_anew(
    entry: JsonObject, expected: DiscountEntry
) -> None:
    """Naming the coupon of a discount that exists would grant it a second time."""
    assert entries_of([entry]) == (expected,)
