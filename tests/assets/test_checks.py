"""The checks: silent on what is merely bad data, loud where the pipeline contradicts itself."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import dagster as dg
import duckdb
import pytest

from coupon_pipeline.assets.checks import AT_NIGHT, CHECKS
from coupon_pipeline.assets.connection import Connection
from coupon_pipeline.assets.run import Run, StageReport
from coupon_pipeline.assets.stage_asset import StageAsset
from coupon_pipeline.assets.stages import STAGES
from coupon_pipeline.automation.jobs import AGREEMENT_JOB, SYNC_JOB
from coupon_pipeline.definitions import definitions
from coupon_pipeline.ledger import inspection, source
from coupon_pipeline.ledger.evidence import read_head
from coupon_pipeline.salesforce import ORDER_COUPON, QUOTE_COUPON, SYNC_RECORD
from coupon_pipeline.sandbox.salesforce.access import Access
from tests.world import World

PACKAGE = "stripeConnector__"
BLOCKING = {
    "every_snapshot_has_terms_or_a_reason",
    "amounts_are_in_the_currency_of_their_order",
    "every_coupon_is_the_one_that_was_signed",
}


class Checked:
    """A sync, and what its checks said."""

    def __init__(
        self, world: World, instance: dg.DagsterInstance, assets: Sequence[str] = ()
    ) -> None:
        day = world.sandbox.clock.now().date().isoformat()
        result = (
            definitions()
            .resolve_job_def(SYNC_JOB)
            .execute_in_process(
                instance=instance,
                raise_on_error=False,
                asset_selection=[dg.AssetKey(name) for name in assets] or None,
                tags={
                    "dagster/asset_partition_range_start": day,
                    "dagster/asset_partition_range_end": day,
                },
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )
        )
        self.success = result.success
        self.by_name = {e.check_name: e for e in result.get_asset_check_evaluations()}
        self.made = {
            e.asset_key.to_user_string()
            for e in result.get_asset_materialization_events()
            if e.asset_key is not None
        }

    @property
    def failed(self) -> set[str]:
        """Names of the checks that did not pass."""
        return {name for name, evaluation in self.by_name.items() if not evaluation.passed}


def _spoil(world: World, statement: str) -> None:
    """Somebody works on the ledger by hand."""
    with duckdb.connect(str(world.db)) as connection:
        connection.execute(statement)


def test_every_check_passes_after_a_sync_of_all_kinds_of_orders(
    world: World, instance: dg.DagsterInstance
) -> None:
    """A check that cries wolf is turned off."""
    world.order(coupons=[world.quote_coupon()], lines=[[world.quote_coupon(Amount_Off__c=5)]])
    world.order(coupons=[world.quote_coupon(Amount_Off__c=5, currency="EUR")], currency="EUR")
    world.order(coupons=[world.bad_quote_coupon(Percent_Off__c=101)])
    world.order(coupons=[world.quote_coupon()], synced=False)

    checked = Checked(world, instance)

    assert checked.success
    assert set(checked.by_name) == {check.name for check in CHECKS if check not in AT_NIGHT}
    assert checked.failed == set()
    assert Checked(world, instance).failed == set()


def test_only_what_stands_before_a_write_that_costs_money_blocks() -> None:
    """A run that stops for a warning leaves customers without their discounts."""
    blocking = {check.name for check in CHECKS if check.blocking}
    assert blocking == BLOCKING


def test_terms_that_changed_behind_our_back_stop_the_attachments(
    world: World, instance: dg.DagsterInstance
) -> None:
    """Nothing is attached with a coupon that the ledger takes for another."""
    order = world.order(coupons=[world.quote_coupon()], synced=False)
    assert Checked(world, instance).success
    _spoil(world, "update stripe_coupons set terms = replace(terms, '10', '90')")
    order = world.subscribe_later(order)

    checked = Checked(world, instance)

    assert not checked.success
    assert checked.failed == {"every_coupon_is_the_one_that_was_signed"}
    assert "coupon_attachments" not in checked.made
    assert world.discounted(order.subscription_id) == []


@pytest.mark.parametrize(
    ("stage", "bug", "check", "not_made"),
    [
        (
            "coupon_snapshots",
            "delete from snapshot_terms",
            "every_snapshot_has_terms_or_a_reason",
            {"stripe_coupons", "coupon_attachments", "salesforce_records"},
        ),
        (
            "coupon_snapshots",
            "update snapshot_terms set terms = replace(terms, 'usd', 'jpy')",
            "amounts_are_in_the_currency_of_their_order",
            {"stripe_coupons", "coupon_attachments", "salesforce_records"},
        ),
        (
            "stripe_coupons",
            "update stripe_coupons set terms = replace(terms, '500', '50000')",
            "every_coupon_is_the_one_that_was_signed",
            {"coupon_attachments", "salesforce_records"},
        ),
    ],
)
def test_a_defect_stops_the_run_before_it_costs_money(
    world: World,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
    bug: str,
    check: str,
    not_made: set[str],
) -> None:
    """A stage writes something wrong: its check fails, and no table after it is made."""
    order = world.order(coupons=[world.quote_coupon(Amount_Off__c=5)])
    stages = [_with_a_bug(each, world, bug) if each.name == stage else each for each in STAGES]
    monkeypatch.setattr("coupon_pipeline.definitions.STAGES", stages)

    checked = Checked(world, instance)

    assert not checked.success
    assert checked.failed == {check}
    assert checked.made.isdisjoint(not_made)
    assert stage in checked.made
    assert world.discounted(order.subscription_id) == []
    written = [call for call in world.sandbox.calls.all("stripe") if call.method == "POST"]
    assert len(written) == (stage == "stripe_coupons")


def _with_a_bug(stage: StageAsset, world: World, statement: str) -> StageAsset:
    def make(run: Run, at: Connection) -> StageReport:
        report = stage.make(run, at)
        _spoil(world, statement)
        return report

    return replace(stage, make=make)


@pytest.mark.parametrize(
    ("name", "statement"),
    [
        (
            "amounts_are_in_the_currency_of_their_order",
            (
                "update coupon_snapshots set order_currency = 'JPY'; "
                "update coupon_attachments set attached_at = null"
            ),
        ),
        ("every_association_is_accounted_for", "delete from coupon_snapshots"),
        ("the_ledger_agrees_with_itself", "update coupon_attachments set coupon_id = 'lost'"),
        (
            "the_ledger_agrees_with_itself",
            (
                "delete from evidence where kind = 'outcome'; "
                "update evidence set written_at = written_at - interval 2 hour"
            ),
        ),
        (
            "every_attachment_has_its_proof",
            (
                "update coupon_attachments set snapshot_id = 'another'; "
                "update coupon_snapshots set snapshot_id = 'another'"
            ),
        ),
    ],
)
def test_a_contradiction_is_found(
    world: World, instance: dg.DagsterInstance, name: str, statement: str
) -> None:
    """Run by itself from its asset's page, a check looks at everything."""
    world.order(coupons=[world.quote_coupon(Amount_Off__c=5)])
    world.sync()
    assert _checks_alone(instance, name) == {name: True}

    _spoil(world, statement)

    assert _checks_alone(instance, name) == {name: False}


@pytest.mark.parametrize("lost", ["order_item_id is null", "order_item_id is not null"])
def test_an_association_is_missed_on_an_order_and_on_an_item(world: World, lost: str) -> None:
    """The same quote coupon on both is owed twice, so that one does not stand for the other."""
    coupon = world.quote_coupon()
    order = world.order(coupons=[coupon], lines=[[coupon]])
    world.sync()

    _spoil(world, f"delete from coupon_snapshots where {lost}")

    with world.ledger.reading() as tx:
        source.select_orders(tx, world.selection())
        (found,) = inspection.read_associations_without_snapshot(tx)
    assert found.order_id == order.order_id


def test_the_whole_ledger_is_held_against_both_systems_at_night(
    world: World, instance: dg.DagsterInstance
) -> None:
    """Somebody takes the proof of a discount away: no run of that day would look at it again."""
    order = world.order(coupons=[world.quote_coupon()])
    world.sync()
    night = definitions().resolve_job_def(AGREEMENT_JOB)

    def ask() -> dg.AssetCheckEvaluation:
        said = night.execute_in_process(instance=instance).get_asset_check_evaluations()
        name = "the_ledger_agrees_with_both_systems"
        return next(each for each in said if each.check_name == name)

    agrees = ask()
    assert agrees.passed
    assert agrees.metadata["discounts_compared"].value == 1

    world.metadata_by_hand(order.subscription_id, {"coupon_pipeline": ""})

    differs = ask()
    assert not differs.passed
    assert f"{order.subscription_id}" in (differs.description or "")


def test_a_backfill_holds_a_sample_against_stripe(
    world: World, instance: dg.DagsterInstance
) -> None:
    """Where somebody makes tables from their pages, with all their checks."""
    world.order(coupons=[world.quote_coupon()])
    world.sync()
    every = definitions().resolve_implicit_global_asset_job_def()

    result = every.execute_in_process(
        instance=instance,
        asset_selection=[dg.AssetKey("coupon_attachments")],
        tags=dict.fromkeys(
            ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end"),
            world.sandbox.clock.now().date().isoformat(),
        ),
    )

    found = {each.check_name: each for each in result.get_asset_check_evaluations()}
    sample = found["the_ledger_agrees_with_both_systems"]
    assert sample.passed
    assert sample.metadata["targets_read"].value == 1


def test_a_record_that_stays_blocked_is_told_after_some_days(
    world: World, instance: dg.DagsterInstance
) -> None:
    """It is a warning: the others go on."""
    world.order(coupons=[world.bad_quote_coupon(Percent_Off__c=101)])
    assert Checked(world, instance).failed == set()
    _spoil(world, "update problems set first_seen_at = first_seen_at - interval 8 day")

    checked = Checked(world, instance)

    assert checked.success
    assert checked.failed == {"no_record_stays_blocked"}
    told = checked.by_name["no_record_stays_blocked"].description or ""
    assert "coupon.percent_out_of_range" in told


@pytest.mark.parametrize(
    ("taken_away", "told"),
    [
        (
            lambda user: user.no_create.add(ORDER_COUPON),
            f"create records of {PACKAGE}{ORDER_COUPON}",
        ),
        (lambda user: user.no_update.add(QUOTE_COUPON), f"edit records of {PACKAGE}{QUOTE_COUPON}"),
        (lambda user: user.no_create.add(SYNC_RECORD), f"create records of {PACKAGE}{SYNC_RECORD}"),
        (lambda user: user.hidden_objects.add(SYNC_RECORD), "does not exist or is hidden"),
        (
            lambda user: user.fixed_fields.add((ORDER_COUPON, "Percent_Off__c")),
            f"may not create Percent Off ({PACKAGE}Percent_Off__c)",
        ),
    ],
)
def test_missing_permissions_are_named(
    world: World,
    instance: dg.DagsterInstance,
    taken_away: Callable[[Access], None],
    told: str,
) -> None:
    """The write-back fails later, record by record; here it is said once, as `doctor` says it."""
    taken_away(world.sandbox.salesforce.integration_user.access)

    checked = Checked(world, instance)

    assert checked.failed == {"salesforce_permissions_are_in_place"}
    said = checked.by_name["salesforce_permissions_are_in_place"].description or ""
    assert told in said


def test_what_the_settings_leave_out_needs_no_permission(
    world: World, instance: dg.DagsterInstance
) -> None:
    """An org may give the user no more than it has to."""
    access = world.sandbox.salesforce.integration_user.access
    access.no_create |= {ORDER_COUPON, SYNC_RECORD}
    access.no_update |= {SYNC_RECORD}
    world.setting("COUPON_PIPELINE_WRITE_BACK", "stripe_ids")

    assert Checked(world, instance).failed == set()


def test_a_run_with_nothing_new_asks_stripe_nothing_for_its_checks(
    world: World, instance: dg.DagsterInstance
) -> None:
    """A schedule runs them every hour."""
    world.order(coupons=[world.quote_coupon()])
    Checked(world, instance)

    proof = Checked(world, instance).by_name["every_attachment_has_its_proof"]

    assert proof.metadata["targets_read"].value == 0


def _checks_alone(instance: dg.DagsterInstance, name: str) -> dict[str, bool]:
    """A check run from the page of its asset."""
    job = dg.define_asset_job("checks", selection=dg.AssetSelection.checks(_check_key(name)))
    defs = dg.Definitions.merge(definitions(), dg.Definitions(jobs=[job]))
    result = defs.resolve_job_def("checks").execute_in_process(
        instance=instance,
        raise_on_error=False,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    return {e.check_name: e.passed for e in result.get_asset_check_evaluations()}


def _check_key(name: str) -> dg.AssetCheckKey:
    (check,) = [check for check in CHECKS if check.name == name]
    return dg.AssetCheckKey(dg.AssetKey(check.asset), name)


def test_each_table_notes_the_end_of_the_chain_of_evidence(
    world: World, instance: dg.DagsterInstance
) -> None:
    """Dagster's history is a witness outside of the ledger: `verify --head` holds it to that."""
    world.order(coupons=[world.quote_coupon()])
    world.sync()

    event = instance.get_latest_materialization_event(dg.AssetKey("salesforce_records"))

    assert event is not None
    assert event.asset_materialization is not None
    with world.ledger.reading() as tx:
        head = read_head(tx)
    assert event.asset_materialization.metadata["evidence_hash"].value == head.hash
