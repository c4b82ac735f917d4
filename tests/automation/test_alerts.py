"""Alerts from real runs to receivers on this machine."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import duckdb
import pytest
from dagster._core.utils import make_new_run_id

from coupon_pipeline.assets.failures import told_as_failure
from coupon_pipeline.assets.names import Names
from coupon_pipeline.automation import run_endings
from coupon_pipeline.automation.alert_state import AlertState
from coupon_pipeline.automation.alerts import look_at_runs
from coupon_pipeline.automation.jobs import AGREEMENT_JOB, SYNC_JOB
from coupon_pipeline.definitions import definitions
from coupon_pipeline.salesforce import SalesforceUnavailable
from tests.automation.operating import Operator
from tests.automation.receiving import MailReceiver, WebReceiver
from tests.world import World

DAY = "2026-11-02"


@pytest.fixture
def web() -> Iterator[WebReceiver]:
    with WebReceiver().serving() as receiver:
        yield receiver


@pytest.fixture
def mail() -> Iterator[MailReceiver]:
    with MailReceiver().serving() as receiver:
        yield receiver


def _sync(operator: Operator, day: str = DAY) -> bool:
    tags = {"dagster/asset_partition_range_start": day, "dagster/asset_partition_range_end": day}
    return operator.run([dg.RunRequest(tags=tags)], raise_on_error=False)[0]


def test_nobody_is_told_unless_the_settings_name_somebody(world: World) -> None:
    """A clone sends nothing anywhere."""
    assert _alert_sensors() == set()

    world.setting("COUPON_PIPELINE_ALERT_SLACK_URL_FILE", "url")
    world.setting("COUPON_PIPELINE_ALERT_EMAIL_TO", "a@acme.example, b@acme.example")

    assert _alert_sensors() == {"alerts_by_slack", "alerts_by_email"}


def _alert_sensors() -> set[str]:
    sensors = definitions().get_repository_def().sensor_defs
    return {each.name for each in sensors if each.name.startswith("alerts")}


def test_a_failure_and_its_end_reach_a_webhook_with_what_to_do(
    operator: Operator, world: World, web: WebReceiver
) -> None:
    """Which run, which days, why, what to do; no secret, and no more than once."""
    world.setting("COUPON_PIPELINE_ALERT_WEBHOOK_URL", web.url)
    world.setting("COUPON_PIPELINE_DAGSTER_URL", "https://dagster.acme.example/")
    world.order(coupons=[world.quote_coupon(Name__c="For Jane Doe")])
    with operator.stripe_refuses():
        assert not _sync(operator)
        operator.look("alerts_by_webhook")
        assert not _sync(operator)
        operator.look("alerts_by_webhook")

    (told,) = web.documents
    alerts = told["alerts"]
    assert isinstance(alerts, list)
    (alert,) = alerts
    assert (alert["kind"], alert["code"]) == ("failing", "stripe.login")
    (run,) = alert["runs"]
    assert run["days"] == [DAY, DAY]
    assert run["run"] == f"https://dagster.acme.example/runs/{run['run_id']}"
    assert "STRIPE_API_KEY" in run["fix"]
    assert run["fix"] in str(told["text"])
    assert "sk_test_revoked" not in str(told)
    assert "Jane" not in str(told)

    assert _sync(operator)
    operator.look("alerts_by_webhook")
    operator.look("alerts_by_webhook")
    (recovered,) = web.documents[1:]
    assert "stripe.login is over" in str(recovered["title"])
    assert recovered["id"] != told["id"]


def test_a_message_that_is_not_taken_is_sent_by_the_next_look(
    operator: Operator, world: World, web: WebReceiver
) -> None:
    """Each receiver by itself, and the address, which is a secret, stays out of the error."""
    world.setting("COUPON_PIPELINE_ALERT_SLACK_URL", web.url)
    world.order(coupons=[world.quote_coupon()])
    with operator.stripe_refuses():
        _sync(operator)
    for status in (500, 404, 302):
        web.status = status
        with pytest.raises(Exception, match=r".") as refused:
            operator.look("alerts_by_slack")
        said = "".join(_chain(refused.value))
        assert f"COUPON_PIPELINE_ALERT_SLACK_URL (status {status})" in said
        assert "hidden" not in said
    web.status = 200

    operator.look("alerts_by_slack")
    operator.look("alerts_by_slack")

    (told,) = web.documents
    assert set(told) == {"text"}
    assert "stripe.login" in str(told["text"])


def test_a_message_is_taken_when_the_status_says_so_whatever_becomes_of_the_body(
    operator: Operator, world: World, web: WebReceiver
) -> None:
    """Nobody reads it; it may be long or slow, and people would be told the same again."""
    world.setting("COUPON_PIPELINE_ALERT_WEBHOOK_URL", web.url)
    world.order(coupons=[world.quote_coupon()])
    with operator.stripe_refuses():
        _sync(operator)
    web.breaks_off = True

    operator.look("alerts_by_webhook")
    operator.look("alerts_by_webhook")

    assert len(web.documents) == 1


def _chain(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        yield str(error)
        error = error.__cause__ or error.__context__


def test_a_check_that_does_not_pass_names_the_order_and_no_text_of_people(
    operator: Operator, world: World, mail: MailReceiver
) -> None:
    """A warning fails no run, and a customer waits all the same."""
    world.setting("COUPON_PIPELINE_ALERT_EMAIL_TO", "ops@acme.example,second@acme.example")
    world.setting("COUPON_PIPELINE_ALERT_EMAIL_FROM", "pipeline@acme.example")
    world.setting("COUPON_PIPELINE_SMTP_HOST", "127.0.0.1")
    world.setting("COUPON_PIPELINE_SMTP_PORT", str(mail.port))
    world.setting("COUPON_PIPELINE_SMTP_SECURITY", "none")
    bad = world.bad_quote_coupon(Name__c="For Jane Doe", Percent_Off__c=101)
    order = world.order(coupons=[bad])
    _sync(operator)
    operator.look("alerts_by_email")
    assert mail.mails == []
    with duckdb.connect(str(world.db)) as ledger:
        ledger.execute("update problems set first_seen_at = first_seen_at - interval 8 day")

    mail.refuses = (b"ops", b"second")
    assert _sync(operator)
    with pytest.raises(Exception, match="SMTP"):
        operator.look("alerts_by_email")
    mail.refuses = (b"second",)
    mail.recipients.clear()
    operator.look("alerts_by_email")
    operator.look("alerts_by_email")

    (told,) = mail.mails  # once, though one of the two is never reached
    assert mail.recipients == ["ops@acme.example", "second@acme.example"]
    assert told["Subject"] == 'coupon_pipeline: check "no record stays blocked" does not pass'
    text = told.get_content()
    assert f"{order.order_id} {bad} coupon.percent_out_of_range" in text
    assert "coupon-pipeline problems" in text
    assert "Jane" not in text


def test_a_check_that_cannot_ask_says_why_as_a_table_does(
    operator: Operator, world: World, instance: dg.DagsterInstance
) -> None:
    """With its code, so that an outage at night wakes nobody, and with what to do."""
    world.order(coupons=[world.quote_coupon()])
    world.sync()
    with operator.stripe_refuses():
        assert not _compare(instance)
    now = datetime.now(UTC)

    _, (told,) = look_at_runs(instance, Names(), AlertState(now - timedelta(hours=1)), now)

    assert told.code == "stripe.login"
    assert "STRIPE_API_KEY" in told.troubles[0].remedy
    assert told.troubles[0].source == "nightly_agreement"


def test_a_night_in_which_both_agree_mends_no_run_that_fails(
    operator: Operator, world: World, instance: dg.DagsterInstance
) -> None:
    """It makes no table; people would be told each night that it is over, and each morning not."""
    world.order(coupons=[world.quote_coupon()])
    with operator.stripe_refuses():
        _sync(operator)
        _compare(instance)
    now = datetime.now(UTC)
    state, _ = look_at_runs(instance, Names(), AlertState(now - timedelta(hours=1)), now)

    assert _compare(instance)
    state, news = look_at_runs(instance, Names(), state, now)
    assert news == []
    assert [each.days for each in state.open] == [(date(2026, 11, 2), date(2026, 11, 2))]
    assert _sync(operator)
    _, news = look_at_runs(instance, Names(), state, now)
    assert [(each.kind, each.code) for each in news] == [("recovered", "stripe.login")]


def test_a_check_that_could_not_ask_by_hand_is_over_when_the_night_could(
    world: World, instance: dg.DagsterInstance
) -> None:
    """Nobody runs it by hand once more only to end the alert, which would come each day."""
    world.order(coupons=[world.quote_coupon()])
    world.sync()
    check = dg.AssetCheckKey(dg.AssetKey("coupon_attachments"), "the_ledger_agrees_with_itself")
    by_hand = dg.DagsterRun(
        job_name="__ASSET_JOB",
        run_id=make_new_run_id(),
        asset_selection=frozenset(),
        asset_check_selection=frozenset({check}),
        status=dg.DagsterRunStatus.FAILURE,
    )
    instance.add_run(by_hand)
    now = datetime.now(UTC)
    state, _ = look_at_runs(instance, Names(), AlertState(now - timedelta(hours=1)), now)
    assert len(state.open) == 1

    assert _compare(instance)
    state, _ = look_at_runs(instance, Names(), state, now)

    assert state.open == ()


def _compare(instance: dg.DagsterInstance) -> bool:
    """The nightly job."""
    job = definitions().resolve_job_def(AGREEMENT_JOB)
    return job.execute_in_process(
        instance=instance,
        raise_on_error=False,
        tags={"dagster/schedule_name": "nightly_agreement"},
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    ).success


def test_an_outage_is_told_only_when_it_lasts(instance: dg.DagsterInstance) -> None:
    """Salesforce's maintenance is nobody's work."""
    _run_that_ends_with(instance, SalesforceUnavailable("No answer.", "Run again later."))
    now = datetime.now(UTC)

    state, news = look_at_runs(instance, Names(), AlertState(now - timedelta(hours=1)), now)

    assert news == []
    assert [each.code for each in state.after([], now + timedelta(minutes=21))[1]] == [
        "salesforce.unavailable"
    ]
    _run_that_ends_with(instance, None)
    assert look_at_runs(instance, Names(), state, now)[0].open == ()


def test_an_error_without_a_code_is_told_by_its_class_alone(instance: dg.DagsterInstance) -> None:
    """Its text may hold anything."""
    _run_that_ends_with(instance, ValueError("Jane Doe"))
    now = datetime.now(UTC)

    _, (told,) = look_at_runs(instance, Names(), AlertState(now - timedelta(hours=1)), now)

    assert told.code == "run.failed"
    assert told.troubles[0].message == "The step activated_orders ended with ValueError."


def _run_that_ends_with(instance: dg.DagsterInstance, error: Exception | None) -> None:
    """A run of the job's name, as quick as can be."""

    @dg.asset
    def activated_orders() -> None:
        with told_as_failure():
            if error is not None:
                raise error

    job = dg.define_asset_job(SYNC_JOB, selection=[activated_orders])
    dg.Definitions([activated_orders], jobs=[job]).resolve_job_def(SYNC_JOB).execute_in_process(
        instance=instance, raise_on_error=False
    )


def test_a_run_whose_program_died_says_so(
    world: World, operator: Operator, instance: dg.DagsterInstance
) -> None:
    """It leaves no step that failed; Dagster's monitoring ends it."""
    operator.queue(dg.RunRequest(tags={"dagster/partition": DAY}))
    (run,) = instance.get_runs()
    instance.report_run_failed(run)
    now = datetime.now(UTC)

    _, news = look_at_runs(instance, Names(), AlertState(now - timedelta(hours=1)), now)

    assert [(each.kind, each.code) for each in news] == [("failing", "run.interrupted")]
    del world


def test_runs_that_end_all_at_once_are_looked_at_a_portion_at_a_time(
    operator: Operator, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More of them than a portion within the overlap of two looks."""
    monkeypatch.setattr(run_endings, "_MOST_RUNS", 5)
    for day in range(1, 13):
        operator.fail(dg.RunRequest(tags={"dagster/partition": f"2026-11-{day:02}"}))
    now = datetime.now(UTC)
    state = AlertState(now - timedelta(hours=1))

    for _ in range(3):
        state, _ = look_at_runs(instance, Names(), state, now)

    assert len(state.open) == 12


def test_runs_of_another_connection_are_not_told(
    world: World, operator: Operator, instance: dg.DagsterInstance
) -> None:
    """Each has receivers of its own."""
    world.order(coupons=[world.quote_coupon()])
    with operator.stripe_refuses():
        _sync(operator)
    now = datetime.now(UTC)

    _, news = look_at_runs(instance, Names("acme"), AlertState(now - timedelta(hours=1)), now)

    assert news == []


@pytest.mark.parametrize(
    ("variable", "value", "named"),
    [
        ("COUPON_PIPELINE_SMTP_HOST", "", "COUPON_PIPELINE_SMTP_HOST"),
        ("COUPON_PIPELINE_ALERT_EMAIL_FROM", "", "COUPON_PIPELINE_ALERT_EMAIL_FROM"),
        ("COUPON_PIPELINE_SMTP_HOST", "mail.acme.example", "COUPON_PIPELINE_SMTP_SECURITY"),
        ("COUPON_PIPELINE_SMTP_USERNAME", "ops", "COUPON_PIPELINE_SMTP_PASSWORD"),
    ],
)
def test_mail_that_cannot_be_sent_names_the_setting(
    operator: Operator, world: World, mail: MailReceiver, variable: str, value: str, named: str
) -> None:
    """Nothing is sent unprotected, or without the password that a name needs."""
    world.setting("COUPON_PIPELINE_ALERT_EMAIL_TO", "ops@acme.example")
    world.setting("COUPON_PIPELINE_ALERT_EMAIL_FROM", "pipeline@acme.example")
    world.setting("COUPON_PIPELINE_SMTP_HOST", "127.0.0.1")
    world.setting("COUPON_PIPELINE_SMTP_PORT", str(mail.port))
    world.setting("COUPON_PIPELINE_SMTP_SECURITY", "none")
    world.setting(variable, value)
    world.order(coupons=[world.quote_coupon()])
    with operator.stripe_refuses():
        _sync(operator)

    with pytest.raises(Exception, match=r".") as refused:
        operator.look("alerts_by_email")

    assert named in "".join(_chain(refused.value))
    assert mail.mails == []
