"""`plan --out` and `apply`: what was looked at is what is done, once, or nothing is."""

import json
from collections.abc import Callable
from pathlib import Path

from coupon_pipeline.domain.planned_writes import PlannedWrite
from tests.cli.commands import Command
from tests.world import World

PLAN = "plan.json"


def test_apply_makes_exactly_the_writes_of_the_plan_once(
    world: World, command: Command, days: tuple[str, ...]
) -> None:
    """Same keys as `sync`; the journal holds what the file says; a second time is refused."""
    order = world.order(coupons=[world.quote_coupon()], lines=[[world.quote_coupon()]])
    before = world.state_of_both()

    planned = command("plan", *days, "--out", PLAN)
    assert (planned.status, world.state_of_both()) == (4, before)
    saved = json.loads(Path(PLAN).read_text(encoding="utf-8"))
    promised = {
        PlannedWrite(w["system"], w["operation"], w["target_id"], w["body"]).digest
        for w in saved["writes"]
    }

    ran = command("apply", PLAN, "--json")
    assert ran.status == 0
    assert set(ran.document) == set(command("sync", *days, "--json").document)
    assert ran.document["run_id"] == saved["plan_id"]
    assert world.written_by(saved["plan_id"]) == promised
    assert len(promised) == 7
    assert world.discounted(order.subscription_id) == [(10, None)]

    again = command("apply", PLAN, "--json")
    assert (again.status, again.error_code) == (1, "plan.already_applied")


def test_a_plan_whose_ground_has_changed_is_refused_and_says_what_changed(
    world: World, command: Command, days: tuple[str, ...]
) -> None:
    """Nothing is written then, and neither is anything by a file that was changed."""
    order = world.order(coupons=[world.quote_coupon()])
    command("plan", *days, "--out", PLAN)
    world.order(coupons=[])
    other = world.order(coupons=[world.quote_coupon(Percent_Off__c=20)])
    before = world.state_of_both()

    changed = command("apply", PLAN, "--json")
    assert (changed.status, changed.error_code) == (1, "plan.changed")
    assert other.order_id in changed.err

    text = Path(PLAN).read_text(encoding="utf-8")
    Path(PLAN).write_text(text.replace(order.subscription_id or "", other.subscription_id or ""))
    tampered = command("apply", PLAN, "--json")
    assert (tampered.status, tampered.error_code) == (1, "plan.tampered")

    Path(PLAN).write_text(text)
    old = command("apply", PLAN, "--max-age", "0.000001", "--json")
    assert (old.status, old.error_code) == (1, "plan.too_old")

    world.setting("COUPON_PIPELINE_DB", "another.duckdb")
    world.sync(other.order_id)
    elsewhere = command("apply", PLAN, "--json")
    assert (elsewhere.status, elsewhere.error_code) == (1, "plan.other_accounts")
    world.setting("COUPON_PIPELINE_DB", str(world.db))
    assert world.discounted(order.subscription_id) == []
    assert before["subscription"] != []


def test_every_part_of_the_ground_is_watched(world: World) -> None:
    """A change of any of them alone is seen, under a name that people know it by."""
    coupon = world.quote_coupon(Max_Redemptions__c=9)
    world.order(coupons=[coupon])
    world.sync()
    world.put_by_hand(world.order(coupons=[]).subscription_id, str(world.coupons()[0]["id"]))
    order = world.order(coupons=[coupon, world.quote_coupon(Percent_Off__c=20)])
    foreign = str(world.stripe_create("coupon", percent_off=5, duration="once")["id"])

    def order_moves() -> None:
        world.update("Order", order.order_id, SBQQ__Quote__c=world.order().quote_id)

    changes: dict[str, Callable[[], object]] = {
        "quote coupon ": lambda: world.update("Quote_Stripe_Coupon__c", coupon, Name__c="Spring"),
        "Stripe sub_": lambda: world.put_by_hand(order.subscription_id, foreign),
        "Order ": order_moves,
        "COUPON_PIPELINE_STACKING_ORDER": lambda: world.setting(
            "COUPON_PIPELINE_STACKING_ORDER", "percent_first"
        ),
        "the mapping": lambda: _use_mapping(world),
        "the ledger on order ": world.sync,
    }
    before = world.plan()
    assert before.saved().change(world.plan().basis, world.plan().writes) is None

    for name, change in changes.items():
        change()
        after = world.plan()
        differing = {name for name, _ in before.basis.items() ^ after.basis.items()}
        assert any(n.startswith(name) for n in differing), (name, differing)
        assert before.saved().change(after.basis, after.writes) is not None
        before = after


def _use_mapping(world: World) -> None:
    Path("mapping.toml").write_text('[coupon]\nname = ""\n', encoding="utf-8")
    world.setting("COUPON_PIPELINE_MAPPING", "mapping.toml")


def test_a_proof_that_only_an_answer_shows_to_be_missing_is_left_to_the_next_sync(
    world: World, command: Command, days: tuple[str, ...]
) -> None:
    """A plan cannot know of it: the metadata of a phase may reach the subscription or not."""
    world.sandbox.switches.stripe_phase_metadata = "on_entering"
    order = world.order(coupons=[world.quote_coupon(Duration__c="forever")])
    world.manage(order)

    command("plan", *days, "--out", PLAN)
    assert command("apply", PLAN, "--json").status == 0
    assert world.discounted(order.subscription_id) == [(10, None)]
    assert "coupon_pipeline" not in world.metadata(order.subscription_id)

    world.sync()
    assert "coupon_pipeline" in world.metadata(order.subscription_id)
    assert world.discounted(order.subscription_id) == [(10, None)]
    assert world.sync().calls.stripe_writes == 0
