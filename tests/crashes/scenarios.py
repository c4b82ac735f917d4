"""The situations that crashes and faults interrupt, read from `scenarios.toml` and set up."""

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

from coupon_pipeline.sandbox.company.order_sync import OrderSync
from coupon_pipeline.sandbox.company.tables import Target
from tests.world import MadeOrder, World

Fields = dict[str, str | int]


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OrderData(_Data):
    """One activated order and what the order sync makes of it."""

    coupons: tuple[str, ...] = ()
    lines: tuple[tuple[str, ...], ...] = ((),)
    target: Target | Literal["later"] = "subscription"
    by_hand: int | None = None


class Scenario(_Data):
    """What is there when the run begins that is interrupted: see `scenarios.toml`."""

    name: Annotated[str, StringConstraints(min_length=1)]
    coupons: dict[str, Fields]
    orders: tuple[OrderData, ...]
    earlier: tuple[OrderData, ...] = ()
    amendment: tuple[str, ...] | None = None
    made_again: bool = False
    edits: dict[str, Fields] = {}
    named: tuple[str, ...] = ()
    mapping: str | None = None
    trigger: Literal["works", "fails_silently", "partial"] = "works"
    lost_ledger: bool = False
    late_targets: bool = False
    small: bool = False
    spends: bool = False

    def __str__(self) -> str:
        return self.name


def _read() -> dict[str, Scenario]:
    text = Path(__file__).with_name("scenarios.toml").read_text(encoding="utf-8")
    scenarios = [Scenario.model_validate(each) for each in tomllib.loads(text)["scenario"]]
    return {scenario.name: scenario for scenario in scenarios}


SCENARIOS = _read()
"""By name, in the order of the file."""


class Stage:
    """Sets a scenario up in a world."""

    def __init__(self, world: World, scenario: Scenario) -> None:
        self._world = world
        self._scenario = scenario
        self._coupons: dict[str, str] = {}

    def prepare_earlier(self) -> bool:
        """Everything up to the earlier run; false when there is none."""
        world, scenario = self._world, self._scenario
        world.sandbox.switches.salesforce_activation_trigger = scenario.trigger
        for name, fields in scenario.coupons.items():
            given = {"Duration__c": "once", "CurrencyIsoCode": "USD", **fields}
            if "Amount_Off__c" not in given:
                given.setdefault("Percent_Off__c", 10)
            self._coupons[name] = world.bad_quote_coupon(**given)
        for number, name in enumerate(scenario.named):
            made = world.stripe_create(
                "coupon", id=f"made-by-hand-{number}", percent_off=15, duration="forever"
            )
            world.update("Quote_Stripe_Coupon__c", self._coupons[name], Stripe_ID__c=made["id"])
        self._earlier = [self._order(order) for order in scenario.earlier]
        if scenario.amendment is not None:
            self._amend(scenario.amendment)
        return bool(self._earlier)

    def _amend(self, coupons: tuple[str, ...]) -> None:
        """Put the first order under a schedule that has a phase of an amendment."""
        world, first = self._world, self._earlier[0]
        subscription_id = str(world.record("Order", first.order_id)["Stripe_ID__c"])
        self._initial = replace(first, subscription_id=subscription_id)
        self._schedule_id = world.manage(self._initial)
        self._amendment = world.order(
            coupons=[self._coupons[name] for name in coupons],
            synced=False,
            amends=world.contract_of(first),
        )
        world.extend(self._schedule_id, self._amendment)

    def _make_schedule_again(self) -> None:
        """The order sync lets the schedule go and makes another with the same phases."""
        world = self._world
        world.stripe.v1.subscription_schedules.release(self._schedule_id)
        again = world.manage(self._initial)
        world.extend(again, self._amendment)
        world.let_time_pass(seconds=5)
        world.update("Order", self._amendment.order_id, Stripe_ID__c=again)

    def prepare(self) -> None:
        """Everything between the earlier run and the one that is interrupted."""
        world, scenario = self._world, self._scenario
        if scenario.lost_ledger:
            world.forget_ledger()
        if scenario.late_targets:
            for made in self._earlier:
                world.subscribe_later(made)
        if scenario.made_again:
            self._make_schedule_again()
        for name, fields in scenario.edits.items():
            world.let_time_pass(minutes=1)
            world.update("Quote_Stripe_Coupon__c", self._coupons[name], **fields)
        world.let_time_pass(minutes=1)
        for order in scenario.orders:
            self._order(order)
        if scenario.mapping is not None:
            file = world.db.with_name("mapping.toml")
            file.write_text(scenario.mapping, encoding="utf-8")
            world.setting("COUPON_PIPELINE_MAPPING", str(file))

    def _order(self, order: OrderData) -> MadeOrder:
        world = self._world
        made = world.order(
            coupons=[self._coupons[name] for name in order.coupons],
            lines=[[self._coupons[name] for name in line] for line in order.lines],
            synced=False,
        )
        target = order.target
        if target == "later":
            return made
        sandbox = world.sandbox
        sandbox.run_on_loop(lambda: OrderSync(sandbox).sync(made.order_id, target))
        if order.by_hand is not None:
            foreign = world.stripe_create(
                "coupon",
                id=f"by-hand-{made.order_id.lower()}",
                percent_off=order.by_hand,
                duration="forever",
            )
            subscription = str(world.record("Order", made.order_id)["Stripe_ID__c"])
            world.put_by_hand(subscription, str(foreign["id"]))
        return made
