"""The command line as people and scripts use it: one JSON document, a status, a sentence."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import click
import pytest

from coupon_pipeline.cli.main import commands
from coupon_pipeline.sandbox.faults import FaultRule
from tests.cli.commands import Command
from tests.world import World


def test_sync_json_has_the_documented_keys(
    world: World, command: Command, days: tuple[str, ...]
) -> None:
    """Scripts read them."""
    world.order(coupons=[world.quote_coupon()], lines=[[world.quote_coupon()]])

    ran = command("sync", *days, "--json")

    assert ran.status == 0
    assert ran.document["orders"] == 1
    assert ran.document["snapshots"] == 2
    assert ran.document["coupons"] == {
        "created": 2,
        "reused": 0,
        "adopted": 0,
        "updated": 0,
        "blocked": 0,
    }
    assert ran.document["attachments"] == {
        "attached": 2,
        "adopted": 0,
        "replaced": 0,
        "unchanged": 0,
        "pending": 0,
        "blocked": 0,
        "not_applicable": 0,
    }
    assert ran.document["problems"] == []
    assert set(ran.document) >= {"run_id", "calls"}


def test_every_command_takes_json() -> None:
    """Whoever wrote a script for one command need not look up the next."""
    context = click.Context(commands)
    without = [
        name
        for name in commands.list_commands(context)
        if (found := commands.get_command(context, name)) is None
        or "--json" not in {option for each in found.params for option in each.opts}
    ]

    assert without == []


def test_the_demo_ends_with_a_run_that_has_nothing_to_do(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the first thing that people run, and what it names next works; theirs is not used."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRIPE_API_KEY", "not to be used")

    ran = command("demo", "--orders", "1", "--json")

    assert ran.status == 0
    first, again = ran.document["first"], ran.document["again"]
    assert isinstance(first, dict)
    assert isinstance(again, dict)
    assert first["orders"] == again["orders"] == 1
    assert again["calls"]["stripe_writes"] == 0
    assert os.environ["STRIPE_API_KEY"] == "not to be used"

    monkeypatch.delenv("STRIPE_API_KEY")
    explained = ran.document["explained"]
    assert isinstance(explained, dict)
    told = command("explain", explained["order_id"])
    assert (told.status, explained["headline"] in " ".join(told.out.split())) == (0, True)
    assert command("problems").status in {0, 3}


def test_sync_says_when_nothing_had_to_change(
    world: World, command: Command, days: tuple[str, ...]
) -> None:
    """A quiet run must not look like a broken one."""
    world.order(coupons=[world.quote_coupon()])
    command("sync", *days)

    ran = command("sync", *days)

    assert ran.status == 0
    assert "no write was made" in ran.out
    assert ran.err == ""


def test_blocked_records_are_status_3_and_listed_with_their_fix(
    world: World, command: Command, days: tuple[str, ...]
) -> None:
    """Done, but somebody has to look."""
    order = world.order(coupons=[world.bad_quote_coupon()])

    ran = command("sync", *days, "--json")
    listed = command("problems", "--json")

    assert ran.status == listed.status == 3
    (problem,) = [p for p in listed.document["problems"] if p["effect"] == "blocked"]  # type: ignore[attr-defined]  # a list in JSON
    assert problem["code"] == "coupon.no_discount"
    assert problem["order_id"] == order.order_id
    assert problem["fix"]


def test_plan_is_status_4_with_changes_and_0_without(
    world: World, command: Command, days: tuple[str, ...]
) -> None:
    """A script decides by it whether somebody has to approve."""
    world.order(coupons=[world.quote_coupon()])

    assert command("plan", *days, "--json").status == 4
    command("sync", *days)
    assert command("plan", *days, "--json").status == 0


def test_what_only_goes_on_in_a_later_phase_is_a_change_too(
    world: World, command: Command, days: tuple[str, ...]
) -> None:
    """Nothing is attached, and the schedule is written all the same."""
    initial = world.order(coupons=[world.quote_coupon(Duration__c="forever")])
    schedule_id = world.manage(initial)
    command("sync", *days)
    command("sync", *days)
    world.extend(schedule_id, world.order(synced=False, amends=world.contract_of(initial)))

    planned = command("plan", *days)
    assert planned.status == 4
    assert "Plan: 1 subscriptions or schedules to update." in planned.out
    assert "Nothing had to change" not in command("sync", *days).out
    assert command("plan", *days).status == 0
    assert "Nothing had to change" in command("sync", *days).out


def test_plan_shows_the_next_invoice_where_the_coupon_exists_already(
    world: World, command: Command, days: tuple[str, ...]
) -> None:
    """Stripe only calculates with coupons that it has."""
    coupon = world.quote_coupon(Duration__c="forever")
    world.order(coupons=[coupon])
    command("sync", *days)
    second, scheduled = world.order(coupons=[coupon]), world.order(coupons=[coupon])
    schedule_id = world.manage(scheduled)
    third = world.order(coupons=[world.quote_coupon(Percent_Off__c=20)])

    ran = command("plan", *days, "--invoices")

    shown = " ".join(ran.out.split())
    for target_id in (second.subscription_id, schedule_id):
        assert f"{target_id}: next invoice: 90.00 USD instead of 100.00 USD" in shown
    assert f"{third.subscription_id}: next invoice: cannot be shown, because the sync" in shown
    assert world.discounted(second.subscription_id) == []


def test_one_order_can_be_synced_alone(world: World, command: Command) -> None:
    """Its day follows from the order."""
    first = world.order(coupons=[world.quote_coupon()])
    second = world.order(coupons=[world.quote_coupon(Percent_Off__c=20)])

    ran = command("sync", "--order", second.order_id[:15], "--json")

    assert (ran.status, ran.document["orders"]) == (0, 1)
    assert world.discounted(first.subscription_id) == []
    assert world.discounted(second.subscription_id) == [(20, None)]


def test_explain_tells_why_a_discount_is_there(
    world: World, command: Command, days: tuple[str, ...]
) -> None:
    """By any id that a person may have at hand."""
    coupon = world.quote_coupon(Name__c="Spring")
    order = world.order(coupons=[coupon])
    command("sync", *days)
    stripe_coupon = str(world.coupons()[0]["id"])
    discount = world.discount_ids(order.subscription_id)[0]

    for known in (order.order_id, coupon, stripe_coupon, order.subscription_id or "", discount):
        ran = command("explain", known)
        assert ran.status == 0, known
        assert '"Spring": 10% off once' in ran.out
        assert "order coupon that was written when the order activated" in ran.out
        assert stripe_coupon in ran.out
        assert discount in ran.out

    (told,) = json.loads(command("explain", order.order_id, "--json").out)["stories"]
    timeline = told["timeline"]
    whats = [event["what"] for event in timeline]
    assert whats.index("association") < whats.index("activation") < whats.index("snapshot")
    assert {"order_coupon", "coupon_decision", "stripe_coupon", "attachment"} <= set(whats)
    attached = next(e for e in timeline if e["details"].get("target_id") == order.subscription_id)
    assert attached["what"] == "write"
    assert attached["request_id"].startswith("req_")
    shown = "".join(command("explain", order.order_id).out.split())
    assert f"request{attached['request_id']},run{attached['run_id']}" in shown.replace("│", "")

    unknown = command("explain", "801000000000999AAA")
    assert unknown.status == 1
    assert "knows nothing" in unknown.err


def test_explain_tells_in_which_phases_a_discount_is(
    world: World, command: Command, days: tuple[str, ...]
) -> None:
    """An amendment's begins with its own phase, and what was granted earlier goes on in that."""
    initial = world.order(coupons=[world.quote_coupon(Duration__c="forever")])
    schedule_id = world.manage(initial)
    amendment = world.order(
        coupons=[world.quote_coupon()], synced=False, amends=world.contract_of(initial)
    )
    world.extend(schedule_id, amendment)
    command("sync", *days)

    told = [
        " ".join(command("explain", order.order_id).out.split()) for order in (initial, amendment)
    ]

    assert "put on the phases that begin on 2026-11-02, 2026-12-02, 2027-12-02" in told[0]
    assert "put on the phases that begin on 2027-12-02" in told[1]


def test_explain_shows_the_next_invoice_with_our_discounts_and_without(
    world: World, command: Command, days: tuple[str, ...]
) -> None:
    """Two items of 100 USD: 10 % of one item, then 5 USD of the whole."""
    order = world.order(
        coupons=[world.quote_coupon(Amount_Off__c=5, Duration__c="forever")],
        lines=[[world.quote_coupon(Percent_Off__c=10, Duration__c="forever")], []],
    )
    command("sync", *days)

    ran = command("explain", order.order_id, "--invoice")
    assert "185.00 USD instead of 200.00 USD" in ran.out

    told = json.loads(command("explain", order.order_id, "--invoice", "--json").out)
    assert told["stories"][0]["next_invoice"]["with_ours"] == 18500
    assert world.discounted(order.subscription_id) == [(None, 500)]

    world.stripe.v1.subscriptions.cancel(order.subscription_id or "")
    ran = command("explain", order.order_id, "--invoice", "--json")
    why = json.loads(ran.out)["stories"][0]["not_previewed"]
    assert why["target_id"] == order.subscription_id
    assert "No upcoming invoices" in why["reason"]
    shown = " ".join(command("explain", order.order_id, "--invoice").out.split())
    assert f"next invoice: cannot be shown, because {why['reason']}" in shown


def test_the_services_being_down_is_status_1_and_the_next_run_finishes(
    world: World, command: Command, days: tuple[str, ...]
) -> None:
    """Nothing is lost."""
    order = world.order(coupons=[world.quote_coupon()])
    for service in ("salesforce", "stripe"):
        with world.sandbox.down(service):
            ran = command("sync", *days, "--json")
        assert ran.status == 1
        error = ran.document["error"]
        assert isinstance(error, dict)
        assert error["code"] == f"{service}.unavailable"
        assert error["fix"]

    assert command("sync", *days).status == 0
    assert world.discounted(order.subscription_id) == [(10, None)]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("sync", "--from", "yesterday"), "--from"),
        (("sync", "--from", "2026-11-02", "--to", "2026-11-01"), "--from"),
        (("sync", "--to", "2999-01-01"), "--to"),
        (("sync", "--from", "1999-01-01"), "COUPON_PIPELINE_SYNC_START_DATE"),
        (("sync", "--order", "nonsense"), "nonsense"),
        (("sync", "--order", "801000000000999"), "801000000000999"),
        (("explain",), "ID"),
        (("unheard",), "unheard"),
    ],
)
def test_wrong_usage_is_status_2_and_names_what_is_wrong(
    world: World, command: Command, arguments: tuple[str, ...], named: str
) -> None:
    """Never a traceback."""
    del world
    ran = command(*arguments)

    assert ran.status == 2
    assert named in ran.err
    assert "Traceback" not in ran.err


def test_a_malformed_mapping_is_status_2_and_names_the_line(
    world: World, command: Command, days: tuple[str, ...], tmp_path: Path
) -> None:
    """The file is edited by hand."""
    mapping = tmp_path / "mapping.toml"
    mapping.write_text('[coupon]\nname = "Name__c\n')
    world.setting("COUPON_PIPELINE_MAPPING", str(mapping))

    ran = command("sync", *days, "--json")

    assert ran.status == 2
    assert "line 2" in ran.err


def test_the_command_line_starts_without_the_heavy_parts() -> None:
    """Help and completion must be instant."""
    loaded = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, coupon_pipeline.cli; print(*sys.modules)",
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()

    assert not {"dagster", "pandas", "duckdb", "stripe", "simple_salesforce"} & set(loaded)


def test_an_order_that_the_org_activated_ahead_of_our_clock_is_not_left_out(
    world: World, command: Command
) -> None:
    """The org says when an order was activated; no clock of ours makes it wait."""
    world.let_time_pass(days=4000)
    day = world.sandbox.clock.now().date().isoformat()
    order = world.order(coupons=[world.quote_coupon()])

    ran = command("sync", "--json")

    assert (ran.status, ran.document["orders"]) == (0, 1)
    assert world.discounted(order.subscription_id) == [(10, None)]
    assert command("plan", "--from", day, "--to", day).status == 0


def test_a_coupon_that_stripe_refuses_to_make_does_not_count_as_made(
    world: World, command: Command, days: tuple[str, ...]
) -> None:
    """The numbers are what somebody reads first."""
    order = world.order(coupons=[world.quote_coupon()])
    key = world.sandbox.run_on_loop(
        lambda: world.sandbox.stripe.restricted_key("rak_coupon_read", "rak_subscription_write")
    )
    world.setting("STRIPE_API_KEY", key)

    ran = command("sync", *days, "--json")

    assert ran.status == 3
    coupons = ran.document["coupons"]
    assert isinstance(coupons, dict)
    assert (coupons["created"], coupons["reused"], coupons["blocked"]) == (0, 0, 1)
    assert world.discounted(order.subscription_id) == []


def test_a_live_key_is_refused_before_anything_is_asked(world: World, command: Command) -> None:
    """Even with Salesforce out of reach, the sentence is about the money."""
    world.setting("STRIPE_API_KEY", "sk_live_money")

    with world.sandbox.down("salesforce"):
        ran = command("sync", "--json")

    assert ran.status == 2
    assert "COUPON_PIPELINE_LIVE" in ran.out
    assert "sk_live_money" not in ran.out + ran.err


def _program(*arguments: str, stdout: int) -> "subprocess.Popen[str]":
    program = str(Path(sys.executable).with_name("coupon-pipeline"))
    return subprocess.Popen(
        [program, *arguments],
        env=dict(os.environ),
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_a_command_without_dagster_is_told_to_end_as_well(
    world: World, days: tuple[str, ...]
) -> None:
    """Python itself would die of the signal without a word."""
    world.order(coupons=[world.quote_coupon()])
    struck = threading.Event()
    world.sandbox.faults.on_strike = lambda _: struck.set()
    world.sandbox.faults.arm(
        FaultRule(service="stripe", kind="slow", path="subscriptions", milliseconds=500)
    )
    process = _program("plan", *days, "--json", stdout=subprocess.PIPE)
    assert struck.wait(60)

    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)

    assert process.returncode == 1
    assert json.loads(out)["error"]["code"] == "stopped"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_told_to_end_says_so_and_keeps_what_was_done(
    world: World, command: Command, days: tuple[str, ...], number: signal.Signals
) -> None:
    """Ctrl-C, or a machine that is shut down: not a stack, and nothing twice afterwards."""
    order = world.order(coupons=[world.quote_coupon()])
    struck = threading.Event()
    world.sandbox.faults.on_strike = lambda _: struck.set()
    world.sandbox.faults.arm(
        FaultRule(
            service="stripe", kind="slow", method="POST", path="subscriptions", milliseconds=500
        )
    )
    process = _program("sync", *days, "--json", stdout=subprocess.PIPE)
    assert struck.wait(60)

    process.send_signal(number)
    out, err = process.communicate(timeout=60)

    assert process.returncode == 1
    assert json.loads(out)["error"]["code"] == "stopped"
    assert "Stopped. Nothing is lost" in err
    assert "Traceback" not in err
    assert command("sync", *days).status == 0
    assert world.discounted(order.subscription_id) == [(10, None)]


@pytest.mark.slow
def test_a_report_that_finds_no_room_ends_with_a_sentence(
    world: World, days: tuple[str, ...]
) -> None:
    """Reports go to files, and disks fill up. What was done is done."""
    order = world.order(coupons=[world.quote_coupon()])
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        process = _program("sync", *days, "--json", stdout=full.fileno())
        _, err = process.communicate(timeout=60)

    assert process.returncode == 1
    assert "disk.full: A disk has no room left." in err
    assert "Traceback" not in err
    assert world.discounted(order.subscription_id) == [(10, None)]
