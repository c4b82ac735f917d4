"""`doctor` as people and scripts use it: what is wrong is named, whatever else is down."""

import json
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from coupon_pipeline.assets.resources import open_salesforce, read_mapping
from coupon_pipeline.cli import main
from coupon_pipeline.cli.doctor import wanted_of
from coupon_pipeline.domain.diagnosis import Status
from coupon_pipeline.sandbox.salesforce.access import Access
from coupon_pipeline.settings import load_settings
from tests.permission_sets import access_of, fields_of, without_field
from tests.world import World


@dataclass(frozen=True)
class Diagnosed:
    """What `doctor --json` found."""

    status: int
    lines: Mapping[str, Mapping[str, str]]
    err: str

    def told(self, check: str) -> tuple[str, str]:
        """Status and message of a line."""
        line = self.lines[check]
        return line["status"], line["message"]

    def failed(self) -> set[str]:
        """The checks that failed."""
        return {check for check, line in self.lines.items() if line["status"] == "failed"}


Doctor = Callable[..., Diagnosed]


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Doctor:
    """Runs `coupon-pipeline doctor --json` with some variables set."""

    def run(**variables: str) -> Diagnosed:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["coupon-pipeline", "doctor", "--json"])
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        shown = capfd.readouterr()
        document = json.loads(shown.out)
        lines = {line["check"]: line for line in document["checks"]}
        assert len(lines) == len(document["checks"]), "each check has one line"
        for status in ("passed", "failed", "unknown"):
            count = sum(line["status"] == status for line in lines.values())
            assert document[status] == count
        assert all(line["fix"] for line in lines.values() if line["status"] != "passed")
        return Diagnosed(int(left.value.code or 0), lines, shown.err)

    return run


def closed_port() -> str:
    """An address on this machine where nobody answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def test_all_is_well_in_a_world_that_is(world: World, doctor: Doctor) -> None:
    """Exit status 0, every subject of the page has its line, and nothing was written anywhere."""
    world.order(coupons=[world.quote_coupon()], lines=[[world.quote_coupon()]])
    world.sandbox.calls.clear()

    found = doctor()

    assert (found.status, found.failed()) == (0, set())
    assert {check for check, line in found.lines.items() if line["status"] == "unknown"} == set()
    assert set(found.lines) >= {
        "settings",
        "settings.mapping",
        "salesforce.login",
        "salesforce.api_version",
        "salesforce.quota",
        "salesforce.read.Order",
        "salesforce.edit.Order_Stripe_Coupon__c",
        "salesforce.create.Order_Stripe_Coupon__c",
        "salesforce.permission_set",
        "salesforce.cpq_licence",
        "salesforce.currencies",
        "salesforce.active_currencies",
        "salesforce.trigger",
        "salesforce.clock",
        "mapping.fields",
        "stripe.key",
        "stripe.account",
        "stripe.permissions",
        "stripe.clock",
        "accounts.modes",
        "ledger.file",
    }
    assert "Order Type" in found.told("salesforce.read.Order")[1]
    assert not list(world.db.parent.iterdir())
    assert {call.method for call in world.sandbox.calls.all("stripe")} == {"GET"}
    salesforce = {(call.method, call.path) for call in world.sandbox.calls.all("salesforce")}
    assert {path for method, path in salesforce if method != "GET"} == {
        "/services/data/v67.0/composite"
    }


def test_a_ledger_is_examined_and_not_written(world: World, doctor: Doctor) -> None:
    """After a run its file is byte for byte the same; another pair of accounts is told."""
    world.order(coupons=[world.quote_coupon()])
    world.sync_without_dagster(world.selection())
    before = world.db.read_bytes()

    found = doctor()

    assert (found.status, found.failed()) == (0, set())
    assert set(found.lines) >= {
        "ledger.owner_only",
        "ledger.lock",
        "ledger.version",
        "ledger.integrity",
        "ledger.accounts",
    }
    assert world.db.read_bytes() == before
    world.db.chmod(0o644)
    elsewhere = doctor(
        STRIPE_API_KEY=world.sandbox.stripe.live_api_key, COUPON_PIPELINE_LIVE="true"
    )
    assert elsewhere.failed() == {"ledger.accounts", "ledger.owner_only"}
    assert "chmod 600" in elsewhere.lines["ledger.owner_only"]["fix"]


def test_what_the_coupon_permission_set_lacks_is_named(world: World, doctor: Doctor) -> None:
    """It cannot edit order coupons, into which Stripe ids are written back."""
    found = doctor(SALESFORCE_ACCESS_TOKEN=world.sandbox.salesforce.coupon_user_token)

    assert found.status == 3
    status, message = found.told("salesforce.edit.Order_Stripe_Coupon__c")
    assert status == "failed"
    assert "may not edit" in message
    fix = found.lines["salesforce.edit.Order_Stripe_Coupon__c"]["fix"]
    assert "Stripe Connector Coupon User" in fix
    assert "--permission-set" in fix
    assert found.lines["salesforce.permission_set"]["status"] == "unknown"
    assert found.told("salesforce.read.Order")[0] == "passed"


def test_the_written_permission_set_is_exactly_what_a_run_needs(
    world: World, doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user who has it and nothing else passes and syncs; without any one field, doctor says so.

    So the file, the list that doctor compares with, and what the code sends are in step.
    """
    mapping = tmp_path / "mapping.toml"
    mapping.write_text('[coupon.metadata]\ncampaign = "Campaign__r.Name"\n', encoding="utf-8")
    monkeypatch.setenv("COUPON_PIPELINE_MAPPING", str(mapping))
    settings = load_settings()
    with closing(open_salesforce(settings)) as edge:
        xml, fault = edge.permission_set(
            settings.coupon_pipeline_write_back, read_mapping(settings)
        )
    assert fault is None
    service = world.sandbox.salesforce
    coupon, bad = world.quote_coupon(), world.bad_quote_coupon()
    world.order(coupons=[coupon, bad], lines=[[coupon]])
    world.sandbox.run_on_loop(service.store["Order_Stripe_Coupon__c"].rows.clear)

    service.integration_user.access = access_of(xml, service.schema)
    found = doctor()
    report = world.sync_without_dagster(world.selection())

    assert found.failed() == {"salesforce.trigger"}
    assert report.attachments["attached"] == 2
    assert report.salesforce["created"] >= 2
    assert {problem.code for problem in report.problems} == {
        "coupon.no_discount",
        "order_coupon.missing",
    }
    assert world.records("Sync_Record__c")
    assert "wrote 2 order coupons" in doctor().told("salesforce.trigger")[1]
    with closing(open_salesforce(settings)) as edge:
        for field, _ in fields_of(xml):
            service.integration_user.access = access_of(without_field(xml, field), service.schema)
            lines = edge.examine(wanted_of(settings, read_mapping(settings))).lines
            lacking = " ".join(line.message for line in lines if line.status is Status.FAILED)
            name = field.partition(".")[2].removeprefix("stripeConnector__")
            # a lookup is named by the relationship that a path of the mapping follows
            assert name in lacking or name.removesuffix("c") + "r" in lacking, field


def test_the_permission_set_option_writes_the_file_and_tells_what_to_do(
    world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """With the org down it holds what the package is known to have, and says so."""
    file = tmp_path / "set.xml"
    monkeypatch.setenv("SALESFORCE_INSTANCE_URL", closed_port())
    monkeypatch.setattr(sys, "argv", ["coupon-pipeline", "doctor", "--permission-set", str(file)])

    with pytest.raises(SystemExit) as left:
        main()

    shown = capfd.readouterr()
    assert left.value.code == 0
    assert "could not be asked" in shown.err
    assert "deploy" in shown.out
    access_of(file.read_text(encoding="utf-8"), world.sandbox.salesforce.schema)


@pytest.mark.usefixtures("world")
def test_stripe_down_leaves_the_rest_examined(doctor: Doctor) -> None:
    """Half an answer is worth having."""
    found = doctor(STRIPE_API_BASE=closed_port())

    assert found.status == 3
    assert found.failed() == {"stripe.account"}
    assert found.told("salesforce.login")[0] == "passed"
    assert found.told("ledger.file")[0] == "passed"


@pytest.mark.usefixtures("world")
def test_salesforce_down_leaves_the_rest_examined(doctor: Doctor) -> None:
    """Its lines are failed or unknown, Stripe's are there."""
    found = doctor(SALESFORCE_INSTANCE_URL=closed_port())

    assert found.status == 3
    assert found.failed() == {"salesforce.login"}
    assert found.told("salesforce.api_version")[0] == "unknown"
    assert found.told("stripe.account")[0] == "passed"


def test_a_wrong_setting_is_status_2(world: World, doctor: Doctor) -> None:
    """And what the setting is not needed for is examined."""
    found = doctor(STRIPE_API_KEY=world.sandbox.stripe.live_api_key)

    assert found.status == 2
    assert found.failed() == {"settings.stripe"}
    assert "COUPON_PIPELINE_LIVE" in found.told("settings.stripe")[1]
    assert found.told("salesforce.login")[0] == "passed"


@pytest.mark.usefixtures("world")
def test_a_value_that_is_none_is_status_2(doctor: Doctor) -> None:
    """Then nothing can be opened."""
    found = doctor(COUPON_PIPELINE_LIVE="perhaps")

    assert found.status == 2
    assert found.failed() == {"settings"}


@pytest.mark.usefixtures("world")
def test_a_variable_that_is_no_setting_is_told_with_the_one_next_to_it(
    doctor: Doctor, tmp_path: Path
) -> None:
    """A misspelled cap caps nothing; also in the file."""
    (tmp_path / ".env").write_text("COUPON_PIPELINE_MAX_PERCENTS=20\n", encoding="utf-8")

    found = doctor(COUPON_PIPELINE_MAX_COUPON="10", COUPON_PIPELINE_EMPTY="")

    assert (found.status, found.failed()) == (2, {"settings.unknown"})
    line = found.lines["settings.unknown"]
    assert "COUPON_PIPELINE_MAX_COUPON, COUPON_PIPELINE_MAX_PERCENTS" in line["message"]
    assert "did you mean COUPON_PIPELINE_MAX_COUPONS?" in line["fix"]
    assert "did you mean COUPON_PIPELINE_MAX_PERCENT?" in line["fix"]


def test_a_sandbox_org_with_a_live_key_is_told(world: World, doctor: Doctor) -> None:
    """Before a run refuses it."""
    table = world.sandbox.salesforce.store["Organization"]
    (org,) = table.rows.values()
    world.sandbox.run_on_loop(lambda: table.put({**org, "IsSandbox": True}))
    key = world.sandbox.run_on_loop(
        lambda: world.sandbox.stripe.restricted_key("rak_coupon_write", livemode=True)
    )

    found = doctor(STRIPE_API_KEY=key, COUPON_PIPELINE_LIVE="true")

    status, message = found.told("accounts.modes")
    assert status == "failed"
    assert "test data would become real discounts" in message


@pytest.mark.usefixtures("world")
def test_a_mapping_that_does_not_fit_names_each_field(doctor: Doctor, tmp_path: Path) -> None:
    """Against what the org's describe says."""
    file = tmp_path / "mapping.toml"
    file.write_text('[coupon.metadata]\nregion = "Regiun__c"\n', encoding="utf-8")

    found = doctor(COUPON_PIPELINE_MAPPING=str(file))

    assert found.status == 3
    assert found.failed() == {"mapping.fields.metadata.region"}


def test_a_trigger_that_leaves_coupons_out_is_told_with_the_orders(
    world: World, doctor: Doctor
) -> None:
    """Late associations are none of its business."""
    late = world.order()
    world.let_time_pass(minutes=5)
    world.associate(late.quote_id, world.quote_coupon())
    served = world.order(coupons=[world.quote_coupon()])
    left_out = world.order(lines=[[world.quote_coupon()]])
    world.forget_order_coupons(left_out)
    numbers = {
        made.order_id: str(world.record("Order", made.order_id)["OrderNumber"])
        for made in (late, served, left_out)
    }

    status, message = doctor().told("salesforce.trigger")

    assert status == "failed"
    assert numbers[left_out.order_id] in message
    assert numbers[served.order_id] not in message
    assert numbers[late.order_id] not in message


def test_currencies_that_stripe_does_not_take_matter_where_coupons_use_them(
    world: World, doctor: Doctor
) -> None:
    """An exotic currency that no coupon uses is no fault."""
    passed, message = doctor().told("salesforce.active_currencies")
    world.quote_coupon(currency="XDR", Amount_Off__c=5)
    failed, counted = doctor().told("salesforce.active_currencies")

    assert (passed, failed) == ("passed", "failed")
    assert "XDR" in message
    assert "1 in XDR" in counted


def test_a_clock_that_is_wrong_is_told_for_each_service(world: World, doctor: Doctor) -> None:
    """By the header Date of their answers."""
    world.sandbox.tell_time("stripe", seconds_ahead=300)
    world.sandbox.tell_time("salesforce", seconds_ahead=-3)

    found = doctor()

    assert found.failed() == {"stripe.clock"}
    assert "behind" in found.told("stripe.clock")[1]
    assert "ahead of" in found.told("salesforce.clock")[1]


def test_a_licence_that_is_missing_is_told(world: World, doctor: Doctor) -> None:
    """The package's objects and its permission set need one of CPQ."""
    licences = world.sandbox.salesforce.store["UserPackageLicense"].rows
    world.sandbox.run_on_loop(licences.clear)

    assert doctor().told("salesforce.cpq_licence")[0] == "failed"


def test_a_hidden_field_is_named_with_its_object(world: World, doctor: Doctor) -> None:
    """It looks like one that does not exist."""
    access = Access()
    access.hide_field("Order", "ActivatedDate")
    access.hide_object("Quote_Line_Stripe_Coupon_Association__c")
    world.sandbox.salesforce.integration_user.access = access

    found = doctor()

    assert "ActivatedDate" in found.told("salesforce.read.Order")[1]
    assert found.failed() >= {
        "salesforce.read.Order",
        "salesforce.read.Quote_Line_Stripe_Coupon_Association__c",
    }
    assert found.lines["salesforce.trigger"]["status"] == "unknown"


@pytest.mark.usefixtures("world")
def test_an_api_version_that_the_org_does_not_speak_is_told(doctor: Doctor) -> None:
    """With the versions that it does speak."""
    found = doctor(SALESFORCE_API_VERSION="51.0")

    assert found.told("salesforce.api_version")[0] == "failed"
    assert "68.0" in found.lines["salesforce.api_version"]["fix"]


def test_the_table_is_for_people(
    world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """One line each, with the remedy, and a total."""
    world.let_time_pass(days=1)
    world.sandbox.tell_time("stripe", seconds_ahead=int(timedelta(days=1).total_seconds()))
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setattr(sys, "argv", ["coupon-pipeline", "doctor"])

    with pytest.raises(SystemExit):
        main()

    out = capfd.readouterr().out
    assert "failed" in out
    assert "Set the clock" in out
    assert "1 failed" in out
    assert out.rstrip().endswith("failed: Stripe, clock"), "what failed is not scrolled away"
