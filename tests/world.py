"""A small world for end-to-end tests: one org, one account, and a pipeline between them.

Records are made through the sandbox's own API paths, so its rules hold; the pipeline reaches both
services over HTTP, exactly as it reaches the real ones.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from copy import deepcopy
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import dagster as dg
import pytest
import stripe

from coupon_pipeline.assets.connection import Connection
from coupon_pipeline.assets.planning import Planned, make_plan, run_stages
from coupon_pipeline.assets.report import RunReport, report_of
from coupon_pipeline.assets.resources import open_ledger
from coupon_pipeline.assets.run import Run
from coupon_pipeline.automation.jobs import SYNC_JOB
from coupon_pipeline.definitions import definitions
from coupon_pipeline.domain.planned_writes import PlannedWrite
from coupon_pipeline.domain.records import Selection
from coupon_pipeline.ledger import Ledger
from coupon_pipeline.ledger.writes import read_intents_of_run
from coupon_pipeline.sandbox.serving import Sandbox
from coupon_pipeline.settings import Settings, load_settings

JsonObject = dict[str, object]


@dataclass(frozen=True)
class MadeOrder:
    """An activated order and what it became in Stripe."""

    order_id: str
    item_ids: tuple[str, ...]
    quote_id: str
    line_ids: tuple[str, ...]
    subscription_id: str | None
    stripe_item_ids: tuple[str, ...]


class World:
    """Makes records on both sides and runs the pipeline between them."""

    def __init__(
        self, sandbox: Sandbox, folder: Path, instance: dg.DagsterInstance, env: pytest.MonkeyPatch
    ) -> None:
        self.sandbox = sandbox
        self._instance = instance
        self._numbers = count(1)
        self.db = folder / "ledger.duckdb"
        env.chdir(folder)
        for name in Settings.model_fields:
            env.delenv(name.upper(), raising=False)
        for name, value in sandbox.addresses.environment().items():
            env.setenv(name, value)
        env.setenv("COUPON_PIPELINE_DB", str(self.db))
        # Dagster lists all days several times a run, and there are thousands since the first one
        env.setenv("COUPON_PIPELINE_SYNC_START_DATE", "2026-01-01")
        self._env = env
        self.stripe = stripe.StripeClient(
            sandbox.addresses.stripe_api_key,
            base_addresses={"api": sandbox.addresses.stripe_url},
        )
        self._account = self.create("Account", Name="Acme GmbH")
        self._pricebook = self.create("Pricebook2", Name="Standard", IsActive=True)

    # Salesforce ------------------------------------------------------------------------------

    def create(self, object_name: str, **fields: object) -> str:
        """A record, made as over REST; its id."""
        return self.sandbox.run_on_loop(lambda: self.sandbox.salesforce.create(object_name, fields))

    def update(self, object_name: str, record_id: str, **fields: object) -> None:
        """A record changed as over REST."""
        self.sandbox.run_on_loop(
            lambda: self.sandbox.salesforce.update(object_name, record_id, fields)
        )

    def delete(self, object_name: str, record_id: str) -> None:
        """A record deleted as over REST."""
        self.sandbox.run_on_loop(lambda: self.sandbox.salesforce.delete(object_name, record_id))

    def record(self, object_name: str, record_id: str) -> Mapping[str, object]:
        """A record as it is."""
        found = self.sandbox.run_on_loop(
            lambda: self.sandbox.salesforce.get(object_name, record_id)
        )
        assert found is not None, f"{object_name} {record_id}"
        return found

    def records(self, object_name: str) -> list[Mapping[str, object]]:
        """All records of an object."""
        return list(self.sandbox.run_on_loop(lambda: self.sandbox.salesforce.all(object_name)))

    def quote_coupon(self, *, currency: str = "USD", **fields: object) -> str:
        """A quote coupon; 10 % once unless said otherwise."""
        given: JsonObject = {"Duration__c": "once", "CurrencyIsoCode": currency, **fields}
        if "Amount_Off__c" not in given:
            given.setdefault("Percent_Off__c", 10)
        return self.create("Quote_Stripe_Coupon__c", **given)

    def bad_quote_coupon(self, **fields: object) -> str:
        """A quote coupon as it may have been imported before the package's rules existed."""
        given: JsonObject = {"Duration__c": "once", "CurrencyIsoCode": "USD", **fields}
        return self.sandbox.run_on_loop(
            lambda: self.sandbox.salesforce.insert("Quote_Stripe_Coupon__c", [given])[0]
        )

    def load(self, object_name: str, rows: Sequence[JsonObject]) -> list[str]:
        """Records as a data load leaves them: nothing is checked and no trigger runs; their ids."""
        sandbox = self.sandbox
        return sandbox.run_on_loop(lambda: list(sandbox.salesforce.insert(object_name, rows)))

    def forget_order_coupons(self, order: "MadeOrder") -> None:
        """As if the trigger had left out what it copied to this order."""
        rows = self.sandbox.salesforce.store["Order_Stripe_Coupon__c"].rows
        places = {order.order_id, *order.item_ids}
        copies = [
            key
            for key, row in rows.items()
            if places & {row.get("Order__c"), row.get("Order_Item__c")}
        ]
        self.sandbox.run_on_loop(lambda: [rows.pop(key) for key in copies])

    def let_time_pass(self, **by: float) -> None:
        """Advance the clock of both services."""
        self.sandbox.run_on_loop(lambda: self.sandbox.clock.advance(timedelta(**by)))

    def order(
        self,
        *,
        coupons: Sequence[str] = (),
        lines: Sequence[Sequence[str]] = ((),),
        currency: str = "USD",
        synced: bool = True,
        activated: bool = True,
        amends: str | None = None,
        effective: date | None = None,
    ) -> MadeOrder:
        """An order from a quote with coupons on the quote and on each of its lines.

        One that amends a contract is an amendment.
        """
        quote = self.create(
            "SBQQ__Quote__c",
            CurrencyIsoCode=currency,
            SBQQ__Account__c=self._account,
            SBQQ__MasterContract__c=amends,
        )
        for coupon in coupons:
            self.associate(quote, coupon)
            self.let_time_pass(seconds=1)
        order = self.create(
            "Order",
            AccountId=self._account,
            EffectiveDate=(effective or self.sandbox.clock.now().date()).isoformat(),
            Status="Draft",
            Type="Amendment" if amends else "New",
            ContractId=amends,
            CurrencyIsoCode=currency,
            Pricebook2Id=self._pricebook,
            SBQQ__Quote__c=quote,
        )
        line_ids, item_ids, prices = [], [], []
        for line_coupons in lines:
            entry, price = self._product(currency)
            line = self.create("SBQQ__QuoteLine__c", SBQQ__Quote__c=quote)
            for coupon in line_coupons:
                self.create(
                    "Quote_Line_Stripe_Coupon_Association__c",
                    Quote_Line__c=line,
                    Quote_Stripe_Coupon__c=coupon,
                )
                self.let_time_pass(seconds=1)
            item_ids.append(
                self.create(
                    "OrderItem",
                    OrderId=order,
                    PricebookEntryId=entry,
                    SBQQ__QuoteLine__c=line,
                    Quantity=1,
                    UnitPrice=100,
                )
            )
            line_ids.append(line)
            prices.append(price)
        made = MadeOrder(order, tuple(item_ids), quote, tuple(line_ids), None, ())
        if activated:
            self.let_time_pass(seconds=5)
            self.update("Order", order, Status="Activated")
            self.let_time_pass(seconds=5)
        return self.subscribe(made, prices, currency) if synced else made

    def associate(self, quote_id: str, coupon_id: str) -> str:
        """Put a coupon on a quote."""
        return self.create(
            "Quote_Stripe_Coupon_Association__c",
            Quote__c=quote_id,
            Quote_Stripe_Coupon__c=coupon_id,
        )

    def contract_of(self, order: MadeOrder) -> str:
        """The contract that an order became."""
        return self.create("Contract", AccountId=self._account, SBQQ__Order__c=order.order_id)

    def _product(self, currency: str) -> tuple[str, str]:
        number = next(self._numbers)
        product = self.create("Product2", Name=f"Product {number}", IsActive=True)
        made = self.stripe_create("product", name=f"Product {number}")
        price = self.stripe_create(
            "price",
            product=made["id"],
            currency=currency.lower(),
            unit_amount=10000,
            recurring={"interval": "month"},
        )
        entry = self.create(
            "PricebookEntry",
            Pricebook2Id=self._pricebook,
            Product2Id=product,
            UnitPrice=100,
            IsActive=True,
            CurrencyIsoCode=currency,
            Stripe_ID__c=price["id"],
        )
        return entry, str(price["id"])

    # Stripe ----------------------------------------------------------------------------------

    def stripe_create(self, kind: str, **params: object) -> JsonObject:
        """An object, made as over the API."""
        return self.sandbox.run_on_loop(
            lambda: cast("JsonObject", self.sandbox.stripe.create(kind, params))
        )

    def subscribe(self, order: MadeOrder, prices: Sequence[str], currency: str) -> MadeOrder:
        """What the connector's order sync does for an activated order."""
        customer = self.stripe_create("customer", name="Acme GmbH")
        made = self.stripe_create(
            "subscription",
            customer=customer["id"],
            currency=currency.lower(),
            collection_method="send_invoice",
            days_until_due=30,
            metadata={"salesforce_order_id": order.order_id},
            items=[
                {"price": price, "metadata": {"salesforce_order_item_id": item_id}}
                for item_id, price in zip(order.item_ids, prices, strict=True)
            ],
        )
        items = cast("list[JsonObject]", cast("JsonObject", made["items"])["data"])
        self.update("Order", order.order_id, Stripe_ID__c=made["id"])
        return MadeOrder(
            order.order_id,
            order.item_ids,
            order.quote_id,
            order.line_ids,
            str(made["id"]),
            tuple(str(item["id"]) for item in items),
        )

    def coupons(self) -> list[JsonObject]:
        """All Stripe coupons."""
        return cast(
            "list[JsonObject]", self.sandbox.run_on_loop(lambda: self.sandbox.stripe.all("coupon"))
        )

    def subscribe_later(self, order: MadeOrder) -> MadeOrder:
        """The order sync comes to an order that had no subscription so far."""
        prices = [
            str(
                self.record("PricebookEntry", str(self.record("OrderItem", i)["PricebookEntryId"]))[
                    "Stripe_ID__c"
                ]
            )
            for i in order.item_ids
        ]
        currency = str(self.record("Order", order.order_id)["CurrencyIsoCode"])
        return self.subscribe(order, prices, currency)

    def another_order_on(self, order: MadeOrder, *, coupons: Sequence[str]) -> MadeOrder:
        """A second order that the order sync put on the same subscription."""
        made = self.order(coupons=coupons, synced=False)
        self.update("Order", made.order_id, Stripe_ID__c=order.subscription_id)
        return made

    def manage(self, order: MadeOrder) -> str:
        """Put the order's subscription under a schedule with a year's phase and one after it."""
        schedule = self.stripe.v1.subscription_schedules.create(
            {"from_subscription": order.subscription_id or ""}
        )
        return self._extend(schedule, order)

    def amend(self, order: MadeOrder, schedule_id: str) -> MadeOrder:
        """An amendment order without coupons: a phase more, written as the connector does."""
        made = self.order(synced=False)
        self.update("Order", made.order_id, Stripe_ID__c=order.subscription_id)
        self.extend(schedule_id, made)
        return made

    def extend(self, schedule_id: str, order: MadeOrder) -> None:
        """A further phase of a year, for an order."""
        self._extend(self.stripe.v1.subscription_schedules.retrieve(schedule_id), order)

    def _extend(self, schedule: stripe.SubscriptionSchedule, order: MadeOrder) -> str:
        """A further phase of a year, with everything else as it is."""
        phases = [_phase(each) for each in schedule.phases]
        last = dict(phases[-1])
        last.pop("start_date")
        last.pop("end_date")
        last["duration"] = {"interval": "year", "interval_count": 1}
        last["discounts"] = ""
        items = cast("list[JsonObject]", last["items"])
        last["items"] = [{**item, "discounts": ""} for item in items]
        last["metadata"] = {"salesforce_order_id": order.order_id}
        self.stripe.v1.subscription_schedules.update(
            schedule.id, cast("Any", {"phases": [*phases, last], "proration_behavior": "none"})
        )
        return schedule.id

    def phases_to_send(self, schedule_id: str) -> list[JsonObject]:
        """All phases of a schedule in the form of an update that changes nothing."""
        schedule = self.stripe.v1.subscription_schedules.retrieve(schedule_id)
        return [_phase(each) for each in schedule.phases]

    def put_on_last_phase_by_hand(self, schedule_id: str, coupon_id: str) -> int:
        """Somebody adds a coupon to the last phase in the Stripe dashboard; when that begins."""
        schedule = self.stripe.v1.subscription_schedules.retrieve(schedule_id)
        phases = [_phase(each) for each in schedule.phases]
        entries = [_entry(each) for each in schedule.phases[-1].discounts]
        phases[-1]["discounts"] = [*entries, {"coupon": coupon_id}]
        self.stripe.v1.subscription_schedules.update(
            schedule_id, cast("Any", {"phases": phases, "proration_behavior": "none"})
        )
        return schedule.phases[-1].start_date

    def invoiced(self, subscription_id: str | None) -> list[tuple[int, int]]:
        """When each invoice of a subscription was made, and its total in minor units."""
        invoices = self.sandbox.run_on_loop(lambda: self.sandbox.stripe.all("invoice"))
        return [
            (each["created"], each["total"])
            for each in invoices
            if each["parent"]["subscription_details"]["subscription"] == subscription_id
        ]

    def schedule_later(self, order: MadeOrder, *, starts_in: timedelta) -> str:
        """The order sync makes a schedule that begins later."""
        start = int((self.sandbox.clock.now() + starts_in).timestamp())
        customer = self.stripe_create("customer", name="Acme GmbH")
        prices = [
            str(
                self.record("PricebookEntry", str(self.record("OrderItem", i)["PricebookEntryId"]))[
                    "Stripe_ID__c"
                ]
            )
            for i in order.item_ids
        ]
        schedule = self.stripe.v1.subscription_schedules.create(
            {
                "customer": str(customer["id"]),
                "start_date": start,
                "end_behavior": "release",
                "phases": [
                    {
                        "items": [
                            {"price": price, "metadata": {"salesforce_order_item_id": item}}
                            for price, item in zip(prices, order.item_ids, strict=True)
                        ],
                        "duration": {"interval": "year", "interval_count": 1},
                        "collection_method": "send_invoice",
                        "invoice_settings": {"days_until_due": 30},
                        "metadata": {"salesforce_order_id": order.order_id},
                    }
                ],
            }
        )
        self.update("Order", order.order_id, Stripe_ID__c=schedule.id)
        return schedule.id

    def metadata(self, subscription_id: str | None) -> dict[str, str]:
        """The metadata of a subscription."""
        found = self.stripe.v1.subscriptions.retrieve(subscription_id or "").metadata
        return {key: str(value) for key, value in found.to_dict().items()}

    def metadata_by_hand(self, subscription_id: str | None, metadata: dict[str, str]) -> None:
        """Somebody keeps their own metadata on a subscription."""
        self.stripe.v1.subscriptions.update(subscription_id or "", {"metadata": metadata})

    def customer_discount(self, subscription_id: str | None, *, percent_off: float) -> None:
        """The subscription's customer has a discount of its own."""
        coupon = self.stripe_create("coupon", percent_off=percent_off, duration="forever")
        customer = self.stripe.v1.subscriptions.retrieve(subscription_id or "").customer
        self.sandbox.run_on_loop(
            lambda: self.sandbox.stripe.set_customer_discount(str(customer), str(coupon["id"]))
        )

    def put_by_hand(self, subscription_id: str | None, coupon_id: str) -> None:
        """Somebody adds a coupon in the Stripe dashboard."""
        self.stripe.v1.subscriptions.update(
            subscription_id or "", {"discounts": [{"coupon": coupon_id}]}
        )

    def discounts_by_hand(self, subscription_id: str, entries: Sequence[dict[str, str]]) -> None:
        """Somebody sets the whole list in the Stripe dashboard."""
        params = cast("Any", {"discounts": list(entries) or ""})
        self.stripe.v1.subscriptions.update(subscription_id, params)

    def discounted(self, subscription_id: str | None) -> list[tuple[object, object]]:
        """Percentage and amount of each discount of a subscription, in order."""
        subscription = self.stripe.v1.subscriptions.retrieve(
            subscription_id or "", {"expand": ["discounts.source.coupon"]}
        )
        return _worth(subscription.discounts)

    def discount_ids(self, subscription_id: str | None) -> list[str]:
        """Ids of the discounts of a subscription, in order."""
        subscription = self.stripe.v1.subscriptions.retrieve(subscription_id or "")
        return [str(discount) for discount in subscription.discounts]

    def discounted_item(self, item_id: str) -> list[tuple[object, object]]:
        """The same of a subscription item."""
        item = self.stripe.v1.subscription_items.retrieve(
            item_id, {"expand": ["discounts.source.coupon"]}
        )
        return _worth(item.discounts)

    def state_of_both(self) -> dict[str, object]:
        """Everything that the pipeline could have changed."""
        kinds = ("coupon", "subscription", "subscription_schedule")
        objects = ("Quote_Stripe_Coupon__c", "Order_Stripe_Coupon__c", "Order", "Sync_Record__c")
        account = self.sandbox.run_on_loop(
            lambda: {kind: deepcopy(self.sandbox.stripe.all(kind)) for kind in kinds}
        )
        salesforce = {name: [dict(row) for row in self.records(name)] for name in objects}
        return {**account, **salesforce}

    # The pipeline ----------------------------------------------------------------------------

    def setting(self, name: str, value: str) -> None:
        """An environment variable of the pipeline's."""
        self._env.setenv(name, value)

    @property
    def ledger(self) -> Ledger:
        """The pipeline's ledger."""
        return open_ledger(load_settings())

    def forget_ledger(self) -> None:
        """The DuckDB file is lost."""
        self.db.unlink()

    def selection(self, *order_ids: str) -> Selection:
        """The days on which tests activate their orders."""
        return Selection(date(2026, 11, 2), date(2026, 11, 3), order_ids)

    def sync(self, *order_ids: str, replace_attached: Sequence[str] = ()) -> RunReport:
        """Materialise all assets through Dagster."""
        selection = self.selection(*order_ids)
        result = (
            definitions()
            .resolve_job_def(SYNC_JOB)
            .execute_in_process(
                instance=self._instance,
                run_config={
                    "resources": {
                        "options": {
                            "config": {
                                "order_ids": list(order_ids),
                                "replace_attached": list(replace_attached),
                            }
                        }
                    },
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                },
                tags={
                    "dagster/asset_partition_range_start": selection.first_day.isoformat(),
                    "dagster/asset_partition_range_end": selection.last_day.isoformat(),
                },
            )
        )
        return report_of(Run(result.run_id, selection), self.ledger)

    def sync_without_dagster(
        self, selection: Selection, approved: frozenset[str] | None = None
    ) -> RunReport:
        """The same stages in the same order, for tests that need very many runs."""
        settings = load_settings()
        run = Run(f"test-{uuid4()}", selection, approved=approved)
        with closing(Connection(settings)) as at:
            run_stages(run, at)
        return report_of(run, self.ledger)

    def written_by(self, run_id: str) -> set[str]:
        """Digests of what a run has sent, from the ledger's journal."""
        with self.ledger.reading() as tx:
            return {
                PlannedWrite(i.system, i.operation, i.target_id, i.body).digest
                for i in read_intents_of_run(tx, run_id)
            }

    def plan(self, *order_ids: str, replace_attached: Sequence[str] = ()) -> Planned:
        """What a sync would do."""
        return make_plan(
            load_settings(), self.selection(*order_ids), replace_attached=replace_attached
        )


def _phase(phase: Any) -> JsonObject:
    return {
        "start_date": phase.start_date,
        "end_date": phase.end_date,
        "items": [_phase_item(item) for item in phase.items],
        "discounts": [_entry(each) for each in phase.discounts] or "",
        "metadata": dict(phase.metadata.to_dict()) if phase.metadata else {},
    }


def _phase_item(item: Any) -> JsonObject:
    return {
        "price": item.price,
        "quantity": item.quantity,
        "metadata": item.metadata.to_dict() if item.metadata else {},
        "discounts": [_entry(each) for each in item.discounts or []] or "",
    }


def _entry(discount: Any) -> JsonObject:
    return {"discount": discount.discount} if discount.discount else {"coupon": discount.coupon}


def _worth(discounts: Sequence[object]) -> list[tuple[object, object]]:
    found: list[tuple[object, object]] = []
    for discount in discounts:
        assert isinstance(discount, stripe.Discount)
        coupon = discount.source.coupon
        assert isinstance(coupon, stripe.Coupon)
        found.append((coupon.percent_off, coupon.amount_off))
    return found
