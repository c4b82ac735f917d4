"""What both systems hold, without what may differ, and how two such states differ."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

from tests.world import JsonObject, World

PROOF = "coupon_pipeline"


@dataclass(frozen=True)
class Place:
    """A subscription, an item, or a phase: the coupons of its discounts, in order."""

    discounts: tuple[str, ...]
    proof: str = ""


@dataclass(frozen=True)
class BothSystems:
    """The end state of a scenario; ids of discounts and of created records are left out."""

    coupons: Mapping[str, tuple[object, ...]]
    """Terms and metadata by id."""
    redeemed: Mapping[str, int]
    """How often each coupon was granted."""
    places: Mapping[str, Place]
    quote_coupons: Mapping[str, tuple[object, ...]]
    order_coupons: Mapping[tuple[object, ...], int]
    sync_records: Mapping[tuple[object, ...], int]


VIOLATIONS = (
    "second coupon",
    "double discount",
    "lost attachment",
    "lost foreign discount",
    "second order coupon",
    "another difference",
    "more than one extra run",
)


@dataclass
class Found:
    """Violations by kind, each with what was seen."""

    by_kind: dict[str, list[str]] = field(default_factory=dict)

    def add(self, kind: str, what: str) -> None:
        """Note one."""
        assert kind in VIOLATIONS, kind
        self.by_kind.setdefault(kind, []).append(what)

    def __bool__(self) -> bool:
        return bool(self.by_kind)


def read_both(world: World) -> BothSystems:
    """The present state of both systems."""
    stripe = {
        kind: world.sandbox.run_on_loop(lambda kind=kind: list(world.sandbox.stripe.all(kind)))  # type: ignore[misc] # the default binds the loop variable
        for kind in ("coupon", "discount", "subscription", "subscription_schedule")
    }
    of = {str(d["id"]): str(d["source"]["coupon"]) for d in stripe["discount"]}
    places: dict[str, Place] = {}
    for subscription in stripe["subscription"]:
        name = str(subscription["id"])
        proof = str(subscription["metadata"].get(PROOF, ""))
        places[name] = Place(tuple(of.get(d, d) for d in subscription["discounts"]), proof)
        for item in world.sandbox.run_on_loop(
            lambda name=name: list(world.sandbox.stripe.items_of(name))  # type: ignore[misc] # as above
        ):
            places[f"{name} {item['id']}"] = Place(tuple(of.get(d, d) for d in item["discounts"]))
    for schedule in stripe["subscription_schedule"]:
        places[str(schedule["id"])] = Place((), str(schedule["metadata"].get(PROOF, "")))
        for phase in schedule["phases"]:
            name = f"{schedule['id']} phase {phase['start_date']}"
            places[name] = Place(_entries(phase, of))
            for number, item in enumerate(phase["items"]):
                places[f"{name} item {number}"] = Place(_entries(item, of))
    return BothSystems(
        coupons={str(c["id"]): _terms(c) for c in stripe["coupon"]},
        redeemed={str(c["id"]): int(c["times_redeemed"]) for c in stripe["coupon"]},
        places=places,
        quote_coupons={
            str(r["Id"]): tuple(r.get(name) for name in ("Stripe_ID__c", *_TERM_FIELDS))
            for r in world.records("Quote_Stripe_Coupon__c")
        },
        order_coupons=Counter(
            tuple(str(r.get(name)) for name in (*_ORDER_COUPON_FIELDS, *_TERM_FIELDS))
            for r in world.records("Order_Stripe_Coupon__c")
        ),
        sync_records=Counter(
            tuple(r.get(name) for name in _SYNC_FIELDS) for r in world.records("Sync_Record__c")
        ),
    )


_TERM_FIELDS = (
    "Name__c",
    "Amount_Off__c",
    "Percent_Off__c",
    "Duration__c",
    "Duration_In_Months__c",
    "Max_Redemptions__c",
    "CurrencyIsoCode",
)
_ORDER_COUPON_FIELDS = (
    "Order__c",
    "Order_Item__c",
    "Quote_Stripe_Coupon_Id__c",
    "Stripe_ID__c",
)
_SYNC_FIELDS = ("Compound_ID__c", "Resolution_Status__c", "Resolution_Message__c")


def _entries(place: Mapping[str, object], of: Mapping[str, str]) -> tuple[str, ...]:
    """The coupons of a phase's entries, whether they name a coupon or a discount."""
    entries = cast("list[JsonObject]", place["discounts"] or [])
    return tuple(str(e["coupon"] or of.get(str(e["discount"]), e["discount"])) for e in entries)


def _terms(coupon: JsonObject) -> tuple[object, ...]:
    metadata = cast("Mapping[str, str]", coupon["metadata"])
    kept = sorted((k, v) for k, v in metadata.items() if not k.endswith("_link"))
    names = ("percent_off", "amount_off", "currency", "duration", "duration_in_months")
    return (*(coupon[name] for name in names), coupon["name"], tuple(kept))


def differences(wanted: BothSystems, found: BothSystems, *, spent: bool) -> Found:
    """How the state after a crash differs from that without one.

    With `spent`, invoices came in between: a `once` discount may be used up in one of the states
    and still be there in the other, as long as it was granted equally often.
    """
    result = Found()
    _compare_coupons(wanted, found, result)
    _compare_places(wanted, found, result, spent=spent)
    _compare_records(wanted, found, result)
    return result


def _compare_coupons(wanted: BothSystems, found: BothSystems, result: Found) -> None:
    for coupon_id in found.coupons.keys() - wanted.coupons.keys():
        result.add("second coupon", coupon_id)
    for coupon_id in wanted.coupons.keys() - found.coupons.keys():
        result.add("lost attachment", f"coupon {coupon_id} is not there")
    for coupon_id in wanted.coupons.keys() & found.coupons.keys():
        if wanted.coupons[coupon_id] != found.coupons[coupon_id]:
            result.add("another difference", f"coupon {coupon_id}: {found.coupons[coupon_id]}")
        had, has = wanted.redeemed[coupon_id], found.redeemed[coupon_id]
        if has > had:
            result.add("double discount", f"{coupon_id} was granted {has} times, not {had}")
        if has < had:
            result.add("lost attachment", f"{coupon_id} was granted {has} times, not {had}")


def _compare_records(wanted: BothSystems, found: BothSystems, result: Found) -> None:
    more = Counter(found.order_coupons)
    more.subtract(wanted.order_coupons)
    for row, number in more.items():
        if number:
            kind = "second order coupon" if number > 0 else "another difference"
            result.add(kind, f"{number:+} {row}")
    if wanted.quote_coupons != found.quote_coupons:
        result.add("another difference", f"quote coupons {found.quote_coupons}")
    if wanted.sync_records != found.sync_records:
        result.add("another difference", f"sync records {found.sync_records}")


def _compare_places(wanted: BothSystems, found: BothSystems, result: Found, *, spent: bool) -> None:
    once = {coupon_id for coupon_id, terms in found.coupons.items() if "once" in terms}
    for name in wanted.places.keys() | found.places.keys():
        had, has = wanted.places.get(name), found.places.get(name)
        if had is None or has is None:
            result.add("another difference", f"{name} is in one state only")
            continue
        if had.proof != has.proof:
            result.add("another difference", f"{name} has the proof {has.proof!r}")
        ours, theirs = had.discounts, has.discounts
        if spent:
            ours, theirs = _without(ours, once), _without(theirs, once)
            if len(set(has.discounts)) != len(has.discounts):
                result.add("double discount", f"{name} has {has.discounts}")
        for coupon_id, number in (Counter(theirs) - Counter(ours)).items():
            result.add("double discount", f"{name}: {number} more of {coupon_id}")
        for coupon_id in Counter(ours) - Counter(theirs):
            foreign = not coupon_id.startswith("sf-")
            result.add("lost foreign discount" if foreign else "lost attachment", name)
        if ours != theirs and Counter(ours) == Counter(theirs):
            result.add("another difference", f"{name} is in another order: {theirs}")


def _without(discounts: Iterable[str], once: set[str]) -> tuple[str, ...]:
    return tuple(coupon_id for coupon_id in discounts if coupon_id not in once)
