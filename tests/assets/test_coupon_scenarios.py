"""The table of scenarios, each played end to end: real assets, HTTP to both services, DuckDB."""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from coupon_pipeline.domain.records import Selection
from coupon_pipeline.ledger import decisions, source
from coupon_pipeline.sandbox.clock import Clock
from coupon_pipeline.sandbox.serving import Sandbox
from tests.coupon_story import Story
from tests.coupon_words import copied, discounts_on, in_full, options_of, worth
from tests.world import World

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
TABLE = Path(__file__).parents[1] / "scenarios" / "coupons.toml"
EVIDENCE = {
    "order_coupon": "the order coupon",
    "coupon_version": "the coupon as it was",
    "quote_coupon_today": "the coupon of today",
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A scenario and what must have come of it; what it does not name is not looked at."""

    title: str
    story: list[str]
    org: str = "several currencies"
    mode: str = "test"
    settings: Mapping[str, str] = field(default_factory=dict)
    switches: Mapping[str, str] = field(default_factory=dict)
    mapping: Mapping[str, str] | None = None
    mapping_after: Mapping[str, str] | None = None
    problems: list[str] = field(default_factory=list)
    """Codes of the last sync. Always looked at: a case without any says that there are none."""
    discounts: Mapping[str, list[str]] | None = None
    stripe_coupons: list[str] | None = None
    also: list[str] | None = None
    metadata: Mapping[str, str] | None = None
    decided: Mapping[str, int] | None = None
    says: list[str] | None = None
    rejected: list[str] | None = None
    evidence: Mapping[str, str] | None = None
    order_coupons: Mapping[str, list[str]] | None = None
    names: Mapping[str, str] | None = None
    sync_records: list[str] | None = None
    replaced: int | None = None
    writes: int | None = None
    stops_with: str | None = None


CASES = {
    name: Case(**case) for name, case in tomllib.loads(TABLE.read_text(encoding="utf-8")).items()
}


class OneDay(World):
    """All orders of a story are activated on one day."""

    def selection(self, *order_ids: str) -> Selection:
        """That day."""
        return Selection(date(2026, 11, 2), date(2026, 11, 2), order_ids)


@pytest.fixture
def story(
    case: Case, tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Story]:
    """The case's own org and account, with nothing in them yet."""
    multi_currency = {"several currencies": True, "one currency": False}[case.org]
    clock = Clock(NOW, frozen=True)
    with Sandbox(company=False, clock=clock, multi_currency=multi_currency) as sandbox:
        world = OneDay(sandbox, tmp_path, instance, monkeypatch)
        if case.mode == "live":
            world.setting("STRIPE_API_KEY", sandbox.stripe.live_api_key)
            world.setting("COUPON_PIPELINE_LIVE", "true")
        story = Story(world)
        mappings = [m for m in (case.mapping, case.mapping_after) if m is not None]
        story.use(case.settings, case.switches, mappings)
        yield story


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_was_signed_is_what_the_customer_gets(case: Case, story: Story) -> None:
    """Each case of the table says what a sales person would expect.

    Its last sync is planned first, and makes exactly the writes that the plan said.
    """
    syncs = [
        n for n, sentence in enumerate(case.story) if re.fullmatch("sync( only .+)?", sentence)
    ]
    for n, sentence in enumerate(case.story):
        if n == max(syncs, default=None):
            story.sync_as_planned(sentence)
        else:
            story.play(sentence)

    expected: dict[str, object] = {}
    found: dict[str, object] = {}
    for name, look in LOOKS.items():
        wanted = getattr(case, name)
        if wanted is not None:
            expected[name], found[name] = wanted, look(story, wanted)
    assert found == expected, case.title


def test_the_table_is_as_long_as_it_should_be() -> None:
    """A case that is dropped by accident is missed by nobody else."""
    assert len(CASES) >= 60


def _problems(story: Story, _: object) -> list[str]:
    return [] if story.report is None else sorted(p.code for p in story.report.problems)


def _discounts(story: Story, wanted: Mapping[str, object]) -> dict[str, list[str]]:
    found = {}
    for place in wanted:
        name, _, line = place.partition(" line ")
        made = story.deals[name].made
        assert made is not None, f"{name} has no subscription"
        target = made.stripe_item_ids[int(line) - 1] if line else made.subscription_id
        found[place] = discounts_on(story.world, target)
    return found


def _stripe_coupons(story: Story, _: object) -> list[str]:
    return sorted(in_full(coupon) for coupon in story.world.coupons())


def _also(story: Story, wanted: list[str]) -> list[str]:
    amounts = [amount for coupon in story.world.coupons() for amount in options_of(coupon)]
    return [amount for amount in wanted if amount in amounts]


def _metadata(story: Story, wanted: Mapping[str, str]) -> dict[str, object]:
    (coupon,) = story.world.coupons()
    metadata = coupon["metadata"]
    assert isinstance(metadata, dict)
    return {key: metadata.get(key, "") for key in wanted}


def _decided(story: Story, wanted: Mapping[str, int]) -> dict[str, int]:
    assert story.report is not None
    counts = story.report.coupons
    return {name: counts[name] for name in {**counts} if counts[name] or name in wanted}


def _says(story: Story, wanted: list[str]) -> list[str]:
    assert story.report is not None
    told = " ".join(f"{p.message} {p.fix}" for p in story.report.problems)
    return [part for part in wanted if part in told] if told else []


def _rejected(story: Story, _: object) -> list[str]:
    with story.world.ledger.reading() as tx:
        source.select_orders(tx, story.world.selection())
        decided = decisions.read_coupon_decisions(tx).values()
    return sorted({difference for each in decided for difference in each.differences})


def _evidence(story: Story, wanted: Mapping[str, str]) -> dict[str, str]:
    with story.world.ledger.reading() as tx:
        source.select_orders(tx, story.world.selection())
        snapshots = decisions.read_snapshots(tx)
    of_order = {s.scope.order_id: EVIDENCE[s.evidence] for s in snapshots}
    return {name: of_order[story.deals[name].order_id] for name in wanted}


def _order_coupons(story: Story, wanted: Mapping[str, object]) -> dict[str, list[str]]:
    records = story.world.records("Order_Stripe_Coupon__c")
    found = {}
    for name in wanted:
        deal = story.deals[name]
        places = {deal.order_id, *deal.item_ids}
        found[name] = sorted(
            copied(r) for r in records if {r.get("Order__c"), r.get("Order_Item__c")} & places
        )
    return found


def _names(story: Story, wanted: Mapping[str, str]) -> dict[str, str]:
    worths = {coupon["id"]: worth(coupon) for coupon in story.world.coupons()}
    found = {}
    for name in wanted:
        record = story.world.record("Quote_Stripe_Coupon__c", story.coupons[name])
        stripe_id = record.get("Stripe_ID__c")
        found[name] = worths[stripe_id] if stripe_id else "nothing"
    return found


def _sync_records(story: Story, wanted: list[str]) -> list[str]:
    told = [
        f"{r['Resolution_Status__c']}: {r['Resolution_Message__c']}"
        for r in story.world.records("Sync_Record__c")
    ]
    assert len(told) == len(wanted), told
    return [part if part in each else each for part, each in zip(wanted, sorted(told), strict=True)]


def _writes(story: Story, _: object) -> int:
    assert story.report is not None
    calls = story.report.calls
    return story.report.writes + calls.stripe_writes


def _replaced(story: Story, _: object) -> int:
    assert story.report is not None
    return story.report.attachments["replaced"]


def _stops_with(story: Story, _: object) -> str:
    return str(getattr(story.refusal, "code", story.refusal))


LOOKS: Mapping[str, Callable[[Story, Any], object]] = {
    "problems": _problems,
    "discounts": _discounts,
    "stripe_coupons": _stripe_coupons,
    "also": _also,
    "metadata": _metadata,
    "decided": _decided,
    "says": _says,
    "rejected": _rejected,
    "evidence": _evidence,
    "order_coupons": _order_coupons,
    "names": _names,
    "sync_records": _sync_records,
    "replaced": _replaced,
    "writes": _writes,
    "stops_with": _stops_with,
}
