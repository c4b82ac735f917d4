"""The sandbox against the parameter types of the installed SDK."""

from typing import Any

import pytest
import stripe

from coupon_pipeline.sandbox.stripe.contract import (
    Either,
    ListOf,
    MapOf,
    OneOf,
    Scalar,
    Shape,
    Type,
    api_version,
    parameters,
)
from coupon_pipeline.sandbox.stripe.endpoints import Endpoint, endpoints
from tests.sandbox.stripe.shop import Shop

OLD_VERSIONS_ONLY = {"coupon", "promotion_code"}
ELSEWHERE = {
    "discounts": "test_schedules says what becomes of them",
    "duration": "becomes the end date",
    "plan": "the old name of price",
    "price_data": "becomes a price",
    "trial": "becomes the end of the trial",
}


@pytest.mark.parametrize("endpoint", endpoints(), ids=lambda one: f"{one.method} {one.path}")
def test_an_endpoint_takes_only_what_the_sdk_has(endpoint: Endpoint) -> None:
    """An upgrade of the SDK that drops a parameter shows here."""
    known = set(parameters(endpoint.parameters).fields)
    if endpoint.path.startswith("/v1/customers"):
        known |= OLD_VERSIONS_ONLY

    assert endpoint.takes <= known


def test_the_version_is_the_one_that_the_sdk_pins() -> None:
    """The sandbox answers in no other form."""
    assert api_version() == stripe.api_version


def phase_shape() -> Shape:
    """The type of a phase of an update."""
    phases = parameters("subscription_schedule_update").fields["phases"]
    assert isinstance(phases, ListOf)
    assert isinstance(phases.item, Shape)
    return phases.item


def example(shop: Shop, name: str, kind: Type, start: int, end: int) -> Any:
    """A value of a type that the account can have."""
    special = {
        "start_date": start,
        "end_date": end,
        "trial_end": end,
        "timestamp": start,
        "currency": "usd",
        "price": shop.price,
        "tax_rates": [shop.tax_rate()],
        "default_tax_rates": [shop.tax_rate()],
        "discounts": "",
        "billing_thresholds": {"usage_gte": 10},
        "type": "self",
        "quantity": 3,
    }
    closed = isinstance(kind, OneOf) and special.get(name) not in kind.values
    if name in special and not closed:
        return special[name]

    def of(inner: str, one: Type) -> Any:
        return example(shop, inner, one, start, end)

    match kind:
        case Either():
            value = of(name, kind.options[-1])
        case OneOf():
            value = kind.values[0]
        case Scalar():
            texts = {"string": "text", "integer": 7, "decimal": 2.5, "decimal_text": "1.5"}
            value = texts.get(kind.kind, True)
        case ListOf():
            value = [of(name, kind.item)]
        case MapOf():
            value = {"key": "value"}
        case Shape():
            fields = {one: of_ for one, of_ in kind.fields.items() if one not in ELSEWHERE}
            value = {one: of(one, of_) for one, of_ in fields.items()}
    return value


def reads_back(sent: Any, read: Any) -> bool:
    """Whether what is read holds all that was sent; objects stand for their ids."""
    if isinstance(sent, dict):
        return isinstance(read, dict) and all(
            key in read and reads_back(value, read[key]) for key, value in sent.items()
        )
    if isinstance(sent, list):
        pairs = zip(sent, read, strict=True)
        return all(reads_back(one, other) for one, other in pairs)
    if isinstance(read, dict) and isinstance(sent, str):
        return bool(read["id"] == sent)
    return bool(sent == read)


@pytest.mark.parametrize("name", sorted(set(phase_shape().fields) - set(ELSEWHERE)))
def test_every_parameter_of_a_phase_is_stored_and_read_back(shop: Shop, name: str) -> None:
    """A rewrite that resends what it read must lose nothing."""
    made = shop.v1.subscription_schedules.create(
        {
            "customer": shop.customer,
            "start_date": "now",
            "phases": [{"items": [{"price": shop.price}], "duration": {"interval": "month"}}],
        }
    )
    start, end = made.phases[0].start_date, made.phases[0].end_date
    value = example(shop, name, phase_shape().fields[name], start, end)
    if name == "billing_thresholds":
        value = {"amount_gte": 500, "reset_billing_cycle_anchor": True}
    phase = {"items": [{"price": shop.price}], "start_date": start, "end_date": end, name: value}

    after = shop.v1.subscription_schedules.update(made.id, {"phases": [phase]})

    assert reads_back(value, after.to_dict()["phases"][0][name])
    if name == "items":
        assert set(value[0]) == set(phase_item_fields()) - set(ELSEWHERE)


def phase_item_fields() -> dict[str, Type]:
    """The parameters of an item of a phase."""
    items = phase_shape().fields["items"]
    assert isinstance(items, ListOf)
    assert isinstance(items.item, Shape)
    return items.item.fields
