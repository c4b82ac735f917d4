"""A changed mapping: seen in the graph at once, applied by conditions or by the ledger's answer."""

import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster import BetaWarning
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from coupon_pipeline.assets.partitions import RANGE_END, RANGE_START
from coupon_pipeline.automation.mapping_change import CONDITIONS_NAME, NAME, runs_to_ask_for
from coupon_pipeline.definitions import definitions
from coupon_pipeline.settings import load_settings
from tests.automation.operating import Operator, days_asked
from tests.world import World

DERIVED = ("coupon_junctions", "coupon_snapshots", "stripe_coupons")


@pytest.fixture
def mapping(world: World, tmp_path: Path) -> Path:
    """A mapping file that can be changed."""
    path = tmp_path / "mapping.toml"
    path.write_text("")
    world.setting("COUPON_PIPELINE_MAPPING", str(path))
    return path


def _change(mapping: Path, key: str = "signed_as") -> None:
    mapping.write_text(f'[coupon.metadata]\n{key} = "Name__c"\n')


def _mapping_asset() -> dg.AssetSpec:
    found = definitions().resolve_asset_graph()
    return found.get(dg.AssetKey("coupon_mapping")).to_asset_spec()


def test_a_change_of_the_file_is_another_code_version(mapping: Path) -> None:
    """So the graph shows it as soon as the code location is loaded again."""
    before = _mapping_asset().code_version

    _change(mapping)

    assert before != _mapping_asset().code_version


def test_days_made_with_another_mapping_are_stale_at_once_and_fresh_if_it_comes_back(
    operator: Operator, world: World, mapping: Path
) -> None:
    """Before the mapping's own asset is made again, and before anything is run because of it."""
    world.order(coupons=[world.quote_coupon()])
    operator.sync_day("2026-11-02")
    assert _is_stale(operator, "coupon_snapshots", "2026-11-02") is False
    text = mapping.read_text()

    _change(mapping)
    assert _is_stale(operator, "coupon_snapshots", "2026-11-02") is True
    mapping.write_text(text)
    assert _is_stale(operator, "coupon_snapshots", "2026-11-02") is False

    _change(mapping)
    operator.sync_day("2026-11-02")
    assert _is_stale(operator, "coupon_snapshots", "2026-11-02") is False


@pytest.mark.parametrize("text", ["[coupon", '[coupon]\nprice = "X"\n'])
def test_the_graph_opens_whatever_is_in_the_file_and_says_what_is_wrong(
    mapping: Path, text: str
) -> None:
    """A typing error must not take the history and the schedules out of sight."""
    mapping.write_text(text)

    spec = _mapping_asset()

    dg.Definitions.validate_loadable(definitions())
    assert spec.code_version == "unreadable"
    assert "cannot be used" in (spec.description or "")


def test_a_missing_file_is_told_in_the_graph(mapping: Path) -> None:
    """Its name may be mistyped."""
    mapping.unlink()

    assert str(mapping) in (_mapping_asset().description or "")


def test_the_ledger_tells_which_days_to_run_and_coupons_are_updated_in_place(
    operator: Operator, world: World, mapping: Path
) -> None:
    """No discount is touched, no coupon made twice."""
    order = world.order(coupons=[world.quote_coupon(Name__c="Ten")])
    world.sync()
    held = world.discount_ids(order.subscription_id)
    assert operator.look(NAME) == []

    _change(mapping)
    asked = operator.look(NAME)
    operator.run(asked)

    assert days_asked(asked) == [("2026-11-02", "2026-11-02")]
    assert _signed_as(world) == "Ten"
    assert world.discount_ids(order.subscription_id) == held
    assert operator.look(NAME) == []


def test_a_mapping_that_comes_back_is_applied_again(
    operator: Operator, world: World, mapping: Path
) -> None:
    """A run key is used once, and this change has the same hash as an earlier one."""
    world.order(coupons=[world.quote_coupon()])
    world.sync()
    for key in ("one", "two", "one"):
        _change(mapping, key)
        asked = operator.look(NAME)
        assert len(asked) == 1
        operator.run(asked)

    assert operator.look(NAME) == []


def test_a_run_that_failed_behind_the_terms_is_asked_for_again(
    operator: Operator, world: World, mapping: Path
) -> None:
    """The ledger then holds the new terms everywhere, and Stripe the old metadata."""
    _fail_behind_the_terms(operator, world, mapping)

    assert operator.look(NAME) == []
    later = _asked_later(operator, minutes=6)
    operator.run(later)

    assert len(later) == 1
    assert _signed_as(world) == "Ten"
    assert _asked_later(operator, minutes=60) == []


def test_days_that_are_no_partitions_any_more_are_not_asked_for_again(
    operator: Operator, world: World, mapping: Path
) -> None:
    """Somebody moved the first day, and such a run fails each time, for ever."""
    _fail_behind_the_terms(operator, world, mapping)

    world.setting("COUPON_PIPELINE_SYNC_START_DATE", "2026-11-03")

    assert _asked_later(operator, minutes=6) == []


def test_a_run_of_the_conditions_that_failed_behind_the_terms_is_asked_for_again(
    operator: Operator, world: World, mapping: Path
) -> None:
    """A condition fires once, and the ledger holds the new terms by then."""
    world.order(coupons=[world.quote_coupon(Name__c="Ten")])
    world.sync()
    _change(mapping)
    days = {RANGE_START: "2026-11-02", RANGE_END: "2026-11-02"}
    tags = {**days, "dagster/from_automation_condition": "true"}
    with operator.stripe_refuses():
        asked = [dg.RunRequest(tags=tags)]
        assert operator.run(asked, raise_on_error=False) == [False]

    again = operator.look(NAME)
    operator.run(again)

    assert days_asked(again) == [("2026-11-02", "2026-11-02")]
    assert _signed_as(world) == "Ten"
    assert operator.look(NAME) == []


def test_a_mapping_that_comes_back_after_weeks_has_a_run_key_of_its_own(
    operator: Operator, world: World, mapping: Path
) -> None:
    """Dagster remembers a key for ever, and would pass the request over without a word."""
    world.order(coupons=[world.quote_coupon()])
    world.sync()
    keys = []
    for weeks, key in enumerate(("one", "two", "one")):
        _change(mapping, key)
        asked = _asked_later(operator, weeks=weeks)
        keys += [each.run_key for each in asked]
        operator.run(asked)

    assert len(keys) == len(set(keys)) == 3


def test_a_backfill_of_another_connection_is_not_waited_for(
    operator: Operator, world: World, mapping: Path
) -> None:
    """It may take hours, or hang."""
    world.order(coupons=[world.quote_coupon()])
    world.sync()
    _change(mapping)
    backfill = {"dagster/backfill": "theirs"}
    selection = frozenset([dg.AssetKey(["globex", "coupon_snapshots"])])

    @dg.asset(key=["globex", "coupon_snapshots"])
    def theirs() -> None:
        """A table of the other connection."""

    job = dg.Definitions([theirs]).resolve_implicit_global_asset_job_def()
    operator.instance.create_run_for_job(job, tags=backfill, asset_selection=selection)

    assert len(operator.look(NAME)) == 1


def test_the_conditions_ask_for_exactly_the_days_that_were_made(
    operator: Operator, world: World, mapping: Path
) -> None:
    """Days without a partition are not made by a change of the mapping."""
    world.order(coupons=[world.quote_coupon()])
    operator.sync_day("2026-11-02")
    ticked = _tick(operator, None)
    _change(mapping)

    ticked = _tick(operator, ticked)
    assert _requested(ticked, "coupon_mapping") == 1
    assert all(_requested(ticked, name) == 0 for name in DERIVED)
    operator.materialise_mapping()
    ticked = _tick(operator, ticked)

    for name in (*DERIVED, "coupon_attachments", "salesforce_records"):
        assert _requested(ticked, name) == 1, name
    assert _requested(ticked, "activated_orders") == 0
    operator.sync_day("2026-11-02")
    ticked = _tick(operator, ticked)
    assert ticked.total_requested == 0


@pytest.mark.usefixtures("mapping")
def test_the_same_mapping_made_again_asks_for_nothing(operator: Operator, world: World) -> None:
    """Every sync makes it again."""
    world.order(coupons=[world.quote_coupon()])
    operator.sync_day("2026-11-02")
    ticked = _tick(operator, None)

    operator.materialise_mapping()

    assert _tick(operator, ticked).total_requested == 0


def test_both_sensors_are_off_until_the_setting_names_them(world: World) -> None:
    """Nothing is rewritten in Stripe by itself unless somebody wants that."""
    for name in (NAME, CONDITIONS_NAME):
        sensor = definitions().get_repository_def().get_sensor_def(name)
        assert sensor.default_status is dg.DefaultSensorStatus.STOPPED
    world.setting("COUPON_PIPELINE_AUTOMATION", "mapping")
    for name in (NAME, CONDITIONS_NAME):
        sensor = definitions().get_repository_def().get_sensor_def(name)
        assert sensor.default_status is dg.DefaultSensorStatus.RUNNING


def _is_stale(operator: Operator, name: str, day: str) -> bool:
    """As the pages of Dagster answer it for one partition."""
    resolver = CachingStaleStatusResolver(
        operator.instance,
        definitions().resolve_asset_graph(),
        LoadingContextForTest(operator.instance),
    )
    return resolver.get_status(dg.AssetKey(name), day) is StaleStatus.STALE


def _fail_behind_the_terms(operator: Operator, world: World, mapping: Path) -> None:
    """A run over the changed mapping that ended when the ledger held it and Stripe did not."""
    world.order(coupons=[world.quote_coupon(Name__c="Ten")])
    world.sync()
    _change(mapping)
    with operator.stripe_refuses():
        assert operator.run(operator.look(NAME), raise_on_error=False) == [False]


def _signed_as(world: World) -> object:
    """What the changed mapping adds to the only Stripe coupon."""
    (coupon,) = world.coupons()
    assert isinstance(coupon["metadata"], dict)
    return coupon["metadata"]["signed_as"]


def _asked_later(operator: Operator, **by: float) -> list[dg.RunRequest]:
    later = datetime.now(UTC) + timedelta(**by)
    return runs_to_ask_for(operator.instance, load_settings(), later)


def _tick(
    operator: Operator, before: dg.EvaluateAutomationConditionsResult | None
) -> dg.EvaluateAutomationConditionsResult:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BetaWarning)  # the tester itself selects sources
        return dg.evaluate_automation_conditions(
            defs=definitions(),
            instance=operator.instance,
            cursor=None if before is None else before.cursor,
        )


def _requested(ticked: dg.EvaluateAutomationConditionsResult, name: str) -> int:
    return ticked.get_num_requested(dg.AssetKey(name))
