"""What an operator tells a run in Dagster's launchpad, without the command line."""

from datetime import date

import dagster as dg
import pytest

from coupon_pipeline.assets.launchpad import PlanOptions, RunOptions
from coupon_pipeline.automation.jobs import SYNC_JOB
from coupon_pipeline.definitions import definitions
from tests.world import World

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
DAYS = {"first_day": "2026-11-02", "last_day": "2026-11-03"}


def _plan(instance: dg.DagsterInstance, **options: object) -> dg.ExecuteInProcessResult:
    return (
        definitions()
        .resolve_job_def("plan")
        .execute_in_process(
            instance=instance,
            raise_on_error=False,
            run_config={"ops": {"make_plan": {"config": options}}, **QUIET},
        )
    )


def _shown(result: dg.ExecuteInProcessResult) -> dict[str, object]:
    (output,) = [e for e in result.all_events if e.is_successful_output]
    return {name: value.value for name, value in output.step_output_data.metadata.items()}


def test_a_dry_run_shows_what_a_sync_would_do_and_writes_nothing_anywhere(
    world: World, instance: dg.DagsterInstance
) -> None:
    """Neither to the two services nor to the ledger, which is not even made."""
    order = world.order(coupons=[world.quote_coupon()])
    before = world.state_of_both()

    result = _plan(instance, **DAYS)

    assert result.success
    shown = _shown(result)
    assert shown["would_write"] is True
    assert shown["orders"] == 1
    assert order.order_id in str(shown["changes_of_coupon_attachments"])
    assert world.state_of_both() == before
    assert not world.db.exists()

    world.sync()
    kept = world.db.read_bytes()
    assert _shown(_plan(instance, **DAYS))["would_write"] is False
    assert world.db.read_bytes() == kept


def test_a_dry_run_takes_orders_whatever_their_days(
    world: World, instance: dg.DagsterInstance
) -> None:
    """An operator has an order's id, not the day of its activation."""
    order = world.order(coupons=[world.quote_coupon()])
    world.order(coupons=[world.quote_coupon()])

    shown = _shown(_plan(instance, order_ids=[order.order_id[:15]]))

    assert shown["orders"] == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"order_ids": ["801"]}, "'801' is not a Salesforce id"),
        ({"first_day": "yesterday"}, "yesterday"),
        ({"first_day": "2026-11-03", "last_day": "2026-11-02"}, "is after last_day"),
    ],
)
def test_a_dry_run_refuses_wrong_input_before_anything_is_asked(
    world: World, instance: dg.DagsterInstance, options: dict[str, object], says: str
) -> None:
    """A typing error must not become another selection."""
    asked = len(world.sandbox.calls.all("salesforce"))

    result = _plan(instance, **options)

    assert not result.success
    (failure,) = [e for e in result.all_events if e.is_step_failure]
    assert says in str(failure.step_failure_data.error)
    assert len(world.sandbox.calls.all("salesforce")) == asked


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"order_ids": ["801"]}, "'801' is not a Salesforce id"),
        ({"replace_attached": ["801"]}, "'801' is not a Salesforce id"),
        ({"max_coupons": -1}, "greater than or equal to 0"),
        ({"max_attachments": -1}, "greater than or equal to 0"),
        ({"max_percent": "-4"}, "-4 is not a number above 0"),
        ({"max_amount": "usd=abc"}, "usd=abc"),
    ],
)
def test_a_sync_refuses_wrong_input_before_anything_is_asked(
    world: World, instance: dg.DagsterInstance, options: dict[str, object], says: str
) -> None:
    """The same rule in the other job. A step fails of it, so that Dagster does not try it again."""
    asked = len(world.sandbox.calls.all("salesforce"))

    result = (
        definitions()
        .resolve_job_def(SYNC_JOB)
        .execute_in_process(
            instance=instance,
            raise_on_error=False,
            partition_key="2026-11-02",
            run_config={"resources": {"options": {"config": options}}, **QUIET},
        )
    )

    (failure,) = [e.step_failure_data for e in result.all_events if e.is_step_failure]
    told = failure.user_failure_data
    assert told is not None
    assert says in str(told.description)
    assert told.metadata["code"].value == "run.options_invalid"
    assert len(world.sandbox.calls.all("salesforce")) == asked


@pytest.mark.parametrize("options", [RunOptions, PlanOptions])
def test_every_option_says_what_it_does(options: type[dg.Config]) -> None:
    """The launchpad shows the sentence beside the field."""
    for field in options.model_fields.values():
        assert field.description


def test_days_of_a_plan_are_in_order_however_they_are_written() -> None:
    """Without its dashes a day comes after all others, as a text."""
    given = PlanOptions(first_day="20261101", last_day="2026-11-05")

    assert given.days == (date(2026, 11, 1), date(2026, 11, 5))
    with pytest.raises(ValueError, match="2026-11-05 is after last_day 2026-11-04"):
        PlanOptions(first_day="2026-11-05", last_day="20261104")
