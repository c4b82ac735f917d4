"""Plays the sentences of a scenario table in a world: what sales people and Stripe's users do."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from coupon_pipeline.assets.report import RunReport
from coupon_pipeline.sandbox.faults import FaultRule
from coupon_pipeline.sandbox.switches import turn
from tests.coupon_words import decimals_of
from tests.world import JsonObject, MadeOrder, World

_QUOTE_ASSOCIATION = ("Quote_Stripe_Coupon_Association__c", "Quote__c")
_LINE_ASSOCIATION = ("Quote_Line_Stripe_Coupon_Association__c", "Quote_Line__c")
_MAPPING = Path("mapping.toml")
_SECTIONS = ("coupon", "coupon.metadata", "coupon.defaults", "currency")
_TERMS = re.compile(
    r"(?:(?P<percent>[\d.]+)%|(?P<amount>-?[\d.]+) (?P<currency>[A-Z]{3})|nothing)"
    r"(?: (?:(?P<duration>once|forever)|for (?P<months>\d+) months))?"
)
_PLACED = re.compile(r"(?P<coupon>\w+)(?: on line (?P<line>\d))?")


@dataclass
class Deal:
    """An order on its way: the quote, and the order's records as they come to be."""

    currency: str
    billed: bool
    quote_id: str = ""
    line_ids: list[str] = field(default_factory=list)
    order_id: str = ""
    item_ids: list[str] = field(default_factory=list)
    prices: list[str] = field(default_factory=list)
    made: MadeOrder | None = None
    """With the subscription that it became."""


class Story:
    """One scenario. Names in its sentences stand for records."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.coupons: dict[str, str] = {}
        self.deals: dict[str, Deal] = {}
        self.associations: dict[tuple[str, str, str], str] = {}
        self.report: RunReport | None = None
        self.refusal: Exception | None = None
        self._account = world.create("Account", Name="Acme GmbH")
        self._pricebook = world.create("Pricebook2", Name="Standard", IsActive=True)
        self._campaigns: dict[str, str] = {}
        self._mappings: Sequence[Mapping[str, str]] = ()
        self._sentences: tuple[tuple[str, Callable[..., None]], ...] = (
            (r"coupon (\w+): ([^,]+)((?:, .+)?)", self._coupon),
            (r"imported coupon (\w+): ([^,]+)((?:, .+)?)", self._imported_coupon),
            (r"edit (\w+): (\d[^,]+|nothing)", self._edit_terms),
            (r"edit (\w+): (\w+) = (.+)", self._edit_field),
            (r"campaign (\w+)", self._campaign),
            (r"(order|draft|loaded order) (\w+)(?: in (\w{3}))?: (.+)", self._order),
            (r"draft (\w+) from the quote of (\w+)", self._order_of_same_quote),
            (r"activate (.+)", self._activate),
            (r"bill (\w+)", self._bill),
            (r"the quote of (\w+) is in (\w{3})", self._quote_currency),
            (r"associate (\w+) with (\w+)(?: line (\d))?(?: in (\w{3}))?", self._associate),
            (r"remove (\w+) from (\w+)(?: line (\d))?", self._remove),
            (r"delete (\w+)", self._delete),
            (r"the trigger (works|fails silently|is partial|is absent|is late)", self._trigger),
            (r"wait (\d+) (seconds|minutes|days)", self._wait),
            (r"Stripe has coupon (\w+): ([^,]+)((?:, .+)?)", self._stripe_coupon),
            (r"Stripe has product (\w+)", self._stripe_product),
            (r"(\w+) names Stripe coupon (\w+)", self._name_stripe_coupon),
            (r"Stripe loses the coupon of (\w+)", self._stripe_deletes),
            (r"Stripe renames the coupon of (\w+): (.+)", self._stripe_renames),
            (r"Salesforce locks rows once", self._lock_rows),
            (r"the answer to the next new order coupon is lost", self._lose_answer),
            (r"purge (\w+)", self._purge),
            (r"the mapping changes", self._next_mapping),
            (r"the mapping changes back", self._first_mapping),
            (r"the ledger is lost", self.world.forget_ledger),
            (r"sync", self._sync),
            (r"sync only (\w+)", self._sync),
            (r"sync, replacing what (.+) has", self._replace),
            (r"sync is broken off", self._sync_broken_off),
        )

    def use(
        self,
        settings: Mapping[str, str],
        switches: Mapping[str, str],
        mappings: Sequence[Mapping[str, str]],
    ) -> None:
        """Set what the case says about pipeline and services."""
        for name, value in settings.items():
            self.world.setting(f"COUPON_PIPELINE_{name}", value)
        turn(self.world.sandbox.switches, switches)
        self._mappings = mappings
        if mappings:
            self._first_mapping()

    def play(self, sentence: str) -> None:
        """Do what a sentence says."""
        for pattern, act in self._sentences:
            found = re.fullmatch(pattern, sentence)
            if found:
                act(*found.groups(default=""))
                return
        raise ValueError(f"Nobody knows how to play {sentence!r}.")

    # Quote coupons ---------------------------------------------------------------------------

    def _coupon(self, name: str, terms: str, more: str) -> None:
        fields = _fields(terms, more, self._campaigns)
        self.coupons[name] = self._create("Quote_Stripe_Coupon__c", **fields)
        self.world.let_time_pass(seconds=120)

    def _imported_coupon(self, name: str, terms: str, more: str) -> None:
        """As a data load left it, before the package had its rules."""
        fields = _fields(terms, more, self._campaigns)
        self.coupons[name] = self._load("Quote_Stripe_Coupon__c", **{"Duration__c": None, **fields})
        self.world.let_time_pass(seconds=120)

    def _edit_terms(self, name: str, terms: str) -> None:
        fields = _fields(terms, "", self._campaigns)
        self._update_coupon(name, {"Percent_Off__c": None, "Amount_Off__c": None, **fields})

    def _edit_field(self, name: str, field_name: str, value: str) -> None:
        self._update_coupon(name, {field_name: _value(value, self._campaigns)})

    def _update_coupon(self, name: str, fields: JsonObject) -> None:
        fields.pop("CurrencyIsoCode", None)
        self.world.update("Quote_Stripe_Coupon__c", self.coupons[name], **fields)
        self.world.let_time_pass(seconds=1)

    def _campaign(self, name: str) -> None:
        self._campaigns[name] = self._create("Campaign", Name=name, IsActive=True)

    def _delete(self, name: str) -> None:
        self._delete_record("Quote_Stripe_Coupon__c", self.coupons[name])

    def _purge(self, name: str) -> None:
        """Deleted, and the recycle bin emptied."""
        self._delete(name)
        sandbox = self.world.sandbox
        table = sandbox.salesforce.store["Quote_Stripe_Coupon__c"]
        sandbox.run_on_loop(lambda: table.remove(self.coupons[name]))

    # Orders ----------------------------------------------------------------------------------

    def _order(self, kind: str, name: str, currency: str, content: str) -> None:
        content, *rest = content.split(", not billed yet")
        deal = Deal(currency or "USD", billed=not rest)
        deal.quote_id = self._create("SBQQ__Quote__c", CurrencyIsoCode=deal.currency)
        self.deals[name] = deal
        places = [] if content == "nothing" else [_place(each) for each in content.split(", ")]
        for _ in range(max([1, *(line for _, line in places)])):
            deal.line_ids.append(self._create("SBQQ__QuoteLine__c", SBQQ__Quote__c=deal.quote_id))
        for coupon, line in places:
            self._associate(coupon, name, str(line or ""), "")
        self._make_order(deal, loaded=kind == "loaded order")
        if kind == "order":
            self._activate(name)
        elif kind == "loaded order":
            self._finish(deal)

    def _order_of_same_quote(self, name: str, other: str) -> None:
        like = self.deals[other]
        deal = Deal(like.currency, like.billed, like.quote_id, like.line_ids)
        self.deals[name] = deal
        self._make_order(deal, loaded=False)

    def _make_order(self, deal: Deal, *, loaded: bool) -> None:
        """A draft; or one that a data load inserted as activated, which fires no trigger."""
        order: JsonObject = {
            "AccountId": self._account,
            "Pricebook2Id": self._pricebook,
            "EffectiveDate": self.world.sandbox.clock.now().date().isoformat(),
            "Status": "Draft",
            "CurrencyIsoCode": deal.currency,
            "SBQQ__Quote__c": deal.quote_id,
        }
        if loaded:
            at = self.world.sandbox.clock.now()
            order |= {"Status": "Activated", "StatusCode": "Activated", "ActivatedDate": at}
        make = self._load if loaded else self._create
        deal.order_id = make("Order", **order)
        for line_id in deal.line_ids:
            item: JsonObject = {
                "OrderId": deal.order_id,
                "PricebookEntryId": self._entry(deal),
                "SBQQ__QuoteLine__c": line_id,
                "Quantity": 1,
                "UnitPrice": 100,
            }
            deal.item_ids.append(make("OrderItem", **item))
        self.world.let_time_pass(seconds=120)

    def _entry(self, deal: Deal) -> str:
        """A product's price in the price book, and in Stripe where the order is billed."""
        if deal.billed:
            deal.prices.append(self._price(deal.currency))
        return self._create(
            "PricebookEntry",
            Pricebook2Id=self._pricebook,
            Product2Id=self._create("Product2", Name="Plan", IsActive=True),
            UnitPrice=100,
            IsActive=True,
            CurrencyIsoCode=deal.currency,
            Stripe_ID__c=deal.prices[-1] if deal.prices else None,
        )

    def _price(self, currency: str) -> str:
        price = self.world.stripe_create(
            "price",
            product=self.world.stripe_create("product", name="Plan")["id"],
            currency=currency.lower(),
            unit_amount=100_00,
            recurring={"interval": "month"},
        )
        return str(price["id"])

    def _activate(self, names: str) -> None:
        deals = [self.deals[name] for name in names.split(" and ")]
        sandbox = self.world.sandbox
        sandbox.run_on_loop(lambda: sandbox.salesforce.activate([d.order_id for d in deals]))
        for deal in deals:
            self._finish(deal)

    def _finish(self, deal: Deal) -> None:
        self.world.let_time_pass(seconds=1)
        if deal.billed:
            self._subscribe(deal)

    def _bill(self, name: str) -> None:
        deal = self.deals[name]
        deal.prices = [self._price(deal.currency) for _ in deal.item_ids]
        self._subscribe(deal)

    def _subscribe(self, deal: Deal) -> None:
        """What the connector's order sync does some time after an activation."""
        made = MadeOrder(deal.order_id, tuple(deal.item_ids), deal.quote_id, (), None, ())
        deal.made = self.world.subscribe(made, deal.prices, deal.currency)

    def _quote_currency(self, name: str, currency: str) -> None:
        self.world.update("SBQQ__Quote__c", self.deals[name].quote_id, CurrencyIsoCode=currency)

    def _associate(self, coupon: str, name: str, line: str, currency: str) -> None:
        """An association in another currency than the coupon's gets in by a data load only."""
        deal = self.deals[name]
        object_name, parent = _LINE_ASSOCIATION if line else _QUOTE_ASSOCIATION
        make = self._load if currency else self._create
        fields: JsonObject = {
            parent: deal.line_ids[int(line) - 1] if line else deal.quote_id,
            "Quote_Stripe_Coupon__c": self.coupons[coupon],
        }
        if currency:
            fields["CurrencyIsoCode"] = currency
        self.associations[coupon, name, line] = make(object_name, **fields)
        self.world.let_time_pass(seconds=1)

    def _remove(self, coupon: str, name: str, line: str) -> None:
        object_name, _ = _LINE_ASSOCIATION if line else _QUOTE_ASSOCIATION
        self._delete_record(object_name, self.associations[coupon, name, line])

    def _create(self, object_name: str, **fields: object) -> str:
        """A record made as over REST; an org with one currency has no field for it."""
        if not self.world.sandbox.multi_currency:
            fields.pop("CurrencyIsoCode", None)
        return self.world.create(object_name, **fields)

    def _load(self, object_name: str, **fields: object) -> str:
        """A record as a data load left it: nothing was checked and no trigger ran."""
        sandbox = self.world.sandbox
        return sandbox.run_on_loop(lambda: sandbox.salesforce.insert(object_name, [fields])[0])

    def _delete_record(self, object_name: str, record_id: str) -> None:
        sandbox = self.world.sandbox
        sandbox.run_on_loop(lambda: sandbox.salesforce.delete(object_name, record_id))
        self.world.let_time_pass(seconds=1)

    # Services --------------------------------------------------------------------------------

    def _trigger(self, mode: str) -> None:
        wanted = {"is partial": "partial", "is absent": "absent", "is late": "late"}
        value = wanted.get(mode, mode.replace(" ", "_"))
        turn(self.world.sandbox.switches, {"salesforce_activation_trigger": value})

    def _wait(self, number: str, unit: str) -> None:
        self.world.let_time_pass(**{unit: int(number)})

    def _stripe_coupon(self, name: str, terms: str, more: str) -> None:
        fields = _fields(terms, more, self._campaigns)
        percent, amount = fields.get("Percent_Off__c"), fields.get("Amount_Off__c")
        currency = str(fields["CurrencyIsoCode"])
        params: JsonObject = {"id": name, "duration": fields["Duration__c"]}
        if percent is not None:
            params["percent_off"] = percent
        if isinstance(amount, Decimal):
            params["amount_off"] = int(amount * 10 ** decimals_of(currency))
            params["currency"] = currency.lower()
        if "Duration_In_Months__c" in fields:
            params["duration_in_months"] = fields["Duration_In_Months__c"]
        self.world.stripe_create("coupon", **params)

    def _stripe_product(self, name: str) -> None:
        self.world.stripe_create("product", id=name, name=name)

    def _name_stripe_coupon(self, coupon: str, stripe_id: str) -> None:
        self._update_coupon(coupon, {"Stripe_ID__c": stripe_id})

    def _stripe_id_of(self, coupon: str) -> str:
        record = self.world.record("Quote_Stripe_Coupon__c", self.coupons[coupon])
        return str(record["Stripe_ID__c"])

    def _stripe_deletes(self, coupon: str) -> None:
        self.world.stripe.v1.coupons.delete(self._stripe_id_of(coupon))

    def _stripe_renames(self, coupon: str, name: str) -> None:
        self.world.stripe.v1.coupons.update(self._stripe_id_of(coupon), {"name": name})

    def _lock_rows(self) -> None:
        self._arm("row_locked", "PATCH")

    def _lose_answer(self) -> None:
        self._arm("cut_after", "POST")

    def _arm(self, kind: str, method: str) -> None:
        rule = FaultRule(service="salesforce", kind=kind, method=method, path="composite/sobjects")
        sandbox = self.world.sandbox
        sandbox.run_on_loop(lambda: sandbox.faults.arm(rule))

    # The pipeline ----------------------------------------------------------------------------

    def _next_mapping(self) -> None:
        self._map(self._mappings[1])

    def _first_mapping(self) -> None:
        self._map(self._mappings[0])

    def _map(self, mapping: Mapping[str, str]) -> None:
        sections: dict[str, list[str]] = {name: [f"[{name}]"] for name in _SECTIONS}
        for place, value in mapping.items():
            section, _, key = place.partition(": ")
            sections[section].append(f'{key} = "{value}"')
        text = "\n".join(line for lines in sections.values() for line in lines)
        _MAPPING.write_text(text, encoding="utf-8")
        self.world.setting("COUPON_PIPELINE_MAPPING", str(_MAPPING))

    def _sync(self, only: str = "") -> None:
        orders = [self.deals[only].order_id] if only else []
        self.report = self.world.sync(*orders)

    def sync_as_planned(self, sentence: str) -> None:
        """As an operator does who looks first: a plan, then exactly its writes."""
        only = sentence.removeprefix("sync").removeprefix(" only ")
        planned = self.world.plan(*([self.deals[only].order_id] if only else []))
        digests = frozenset(write.digest for write in planned.writes)
        self.report = self.world.sync_without_dagster(planned.selection, approved=digests)
        assert self.world.written_by(self.report.run_id) == digests, "not what the plan said"

    def _replace(self, names: str) -> None:
        ids = {**self.coupons, **{name: deal.order_id for name, deal in self.deals.items()}}
        self.report = self.world.sync(replace_attached=[ids[name] for name in names.split(" and ")])

    def _sync_broken_off(self) -> None:
        try:
            self._sync()
        except Exception as error:  # noqa: BLE001 - which one it is, the case says
            cause = error.__cause__
            self.refusal = cause if isinstance(cause, Exception) else error
            return
        raise AssertionError("The sync went through.")


def _place(text: str) -> tuple[str, int]:
    """A coupon, and the number of the line that it is on; 0 for the quote."""
    placed = _PLACED.fullmatch(text)
    assert placed is not None, text
    return placed["coupon"], int(placed["line"] or 0)


def _fields(terms: str, more: str, campaigns: Mapping[str, str]) -> JsonObject:
    """Fields of a quote coupon for words such as `10% once, in EUR, Region__c = EMEA`."""
    said = _TERMS.fullmatch(terms)
    assert said is not None, terms
    fields: JsonObject = {"CurrencyIsoCode": said["currency"] or "USD"}
    if said["percent"]:
        fields["Percent_Off__c"] = Decimal(said["percent"])
    if said["amount"]:
        fields["Amount_Off__c"] = Decimal(said["amount"])
    if said["duration"]:
        fields["Duration__c"] = said["duration"]
    if said["months"]:
        fields |= {"Duration__c": "repeating", "Duration_In_Months__c": int(said["months"])}
    for each in filter(None, more.split(", ")):
        if each.startswith("in "):
            fields["CurrencyIsoCode"] = each.removeprefix("in ")
        elif each.startswith("at most "):
            fields["Max_Redemptions__c"] = int(each.split()[2])
        elif each.startswith("called "):
            fields["Name__c"] = each.removeprefix("called ")
        else:
            name, value = each.split(" = ")
            fields[name] = _value(value, campaigns)
    return fields


def _value(text: str, campaigns: Mapping[str, str]) -> object:
    if text in campaigns:
        return campaigns[text]
    repeated = re.fullmatch(r"(\d+) letters", text)
    if repeated:
        return "x" * int(repeated[1])
    return {"yes": True, "no": False, "empty": None}.get(text, text)
