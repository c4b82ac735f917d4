"""The sandbox as a whole: served, kept, stopped."""

import json
import shlex
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from coupon_pipeline.sandbox.clock import Clock
from coupon_pipeline.sandbox.faults import FaultRule
from coupon_pipeline.sandbox.serving import Sandbox
from coupon_pipeline.sandbox.switches import Switches, positions

PRESENT = datetime(2026, 11, 2, 9, tzinfo=UTC)


def count(sandbox: Sandbox, object_name: str) -> int:
    """How many records Salesforce says there are."""
    addresses = sandbox.addresses
    answer = requests.get(
        f"{addresses.salesforce_url}/services/data/v64.0/query",
        params={"q": f"SELECT COUNT() FROM {object_name}"},
        headers={"Authorization": f"Bearer {addresses.salesforce_access_token}"},
        timeout=5,
    )
    answer.raise_for_status()
    total: int = answer.json()["totalSize"]
    return total


def stripe(sandbox: Sandbox, path: str, **data: str) -> requests.Response:
    """One request to Stripe: a POST when there is something to send."""
    return requests.request(
        "POST" if data else "GET",
        f"{sandbox.addresses.stripe_url}/v1/{path}",
        data=data,
        auth=(sandbox.addresses.stripe_api_key, ""),
        timeout=5,
    )


def test_both_services_answer_as_soon_as_it_is_entered(sandbox: Sandbox) -> None:
    """Nobody should have to wait and try again."""
    assert count(sandbox, "Order") == 0
    assert stripe(sandbox, "coupons").json()["data"] == []


def test_two_at_once_know_nothing_of_each_other(sandbox: Sandbox) -> None:
    """Tests run side by side."""
    with Sandbox(company=False, clock=Clock(PRESENT, frozen=True)) as other:
        stripe(other, "coupons", id="TEN", percent_off="10")

        assert stripe(other, "coupons/TEN").status_code == 200
        assert stripe(sandbox, "coupons/TEN").status_code == 404


def test_the_log_has_the_requests_of_the_api_and_no_others(sandbox: Sandbox) -> None:
    """Looking at a page or turning a knob must not change what a test counts."""
    stripe(sandbox, "coupons", id="TEN", percent_off="10")
    requests.get(f"{sandbox.addresses.stripe_url}/", timeout=5)
    requests.get(f"{sandbox.addresses.stripe_url}/_sandbox/clock", timeout=5)

    (call,) = sandbox.calls.all()
    assert (call.service, call.method, call.path) == ("stripe", "POST", "/v1/coupons")
    assert call.form == {"id": "TEN", "percent_off": "10"}
    assert call.status == 200


def test_a_500_after_the_work_is_what_the_same_key_gets_again(sandbox: Sandbox) -> None:
    """The first answer of an idempotency key is kept, also when it is an error."""
    sandbox.faults.arm(FaultRule(service="stripe", kind="error_after"))

    def create() -> requests.Response:
        return requests.post(
            f"{sandbox.addresses.stripe_url}/v1/coupons",
            data={"id": "TEN", "percent_off": "10"},
            headers={"Idempotency-Key": "one"},
            auth=(sandbox.addresses.stripe_api_key, ""),
            timeout=5,
        )

    first, again = create(), create()

    assert (first.status_code, again.status_code) == (500, 500)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.content == first.content
    assert stripe(sandbox, "coupons/TEN").status_code == 200


def test_faults_strike_the_api_and_nothing_else(sandbox: Sandbox) -> None:
    """A person must be able to disarm what they have armed."""
    sandbox.faults.arm(FaultRule(service="stripe", kind="server_error", times=None))

    assert stripe(sandbox, "coupons").status_code == 500
    assert requests.get(f"{sandbox.addresses.stripe_url}/", timeout=5).status_code == 200
    assert count(sandbox, "Order") == 0


def test_a_service_that_is_down_refuses_connections_until_it_is_back(sandbox: Sandbox) -> None:
    """`Stripe is down` is not an answer; it is no connection at all."""
    with sandbox.down("stripe"):
        with pytest.raises(requests.ConnectionError):
            stripe(sandbox, "coupons")
        assert count(sandbox, "Order") == 0

    assert stripe(sandbox, "coupons").status_code == 200


def test_a_refused_connection_is_a_fault_like_any_other(sandbox: Sandbox) -> None:
    """The request that it strikes does nothing, and for a while nobody gets through at all."""
    hours = 3_600_000
    sandbox.faults.arm(FaultRule(service="stripe", kind="refused", after=1, milliseconds=hours))

    first = stripe(sandbox, "coupons").status_code
    for _ in range(2):
        with pytest.raises(requests.ConnectionError):
            stripe(sandbox, "coupons")

    assert first == 200
    assert count(sandbox, "Order") == 0


def test_a_service_that_refused_comes_back_on_its_port(sandbox: Sandbox) -> None:
    """A client that tries again gets through."""
    sandbox.faults.arm(FaultRule(service="stripe", kind="refused", milliseconds=0))
    with pytest.raises(requests.ConnectionError):
        stripe(sandbox, "coupons")
    tries = requests.adapters.Retry(total=20, connect=20, backoff_factor=0.05, backoff_max=0.2)
    with requests.Session() as session:
        session.mount("http://", requests.adapters.HTTPAdapter(max_retries=tries))
        answer = session.get(
            f"{sandbox.addresses.stripe_url}/v1/coupons",
            auth=(sandbox.addresses.stripe_api_key, ""),
            timeout=5,
        )

    assert answer.status_code == 200


def test_state_and_clock_go_on_after_a_restart(tmp_path: Path) -> None:
    """A rehearsal may take days."""
    state = tmp_path / "state"
    with Sandbox(orders=20, seed=3, clock=Clock(PRESENT, frozen=True), state_file=state) as first:
        stripe(first, "coupons", id="TEN", percent_off="10")
        first.run_on_loop(lambda: first.clock.advance(timedelta(days=3)))
        subscriptions = {one["id"] for one in first.stripe.all("subscription")}

    with Sandbox(clock=Clock(PRESENT, frozen=True), state_file=state) as again:
        assert stripe(again, "coupons/TEN").status_code == 200
        assert count(again, "Order") == 20
        assert {one["id"] for one in again.stripe.all("subscription")} == subscriptions
        assert again.clock.now() == PRESENT + timedelta(days=3)
        assert again.addresses == first.addresses


def test_a_port_that_is_taken_meanwhile_is_given_up(tmp_path: Path) -> None:
    """Links of the earlier run break, but it runs."""
    state = tmp_path / "state"
    with (
        Sandbox(company=False, state_file=state) as first,
        Sandbox(state_file=state) as again,
    ):
        assert again.addresses.stripe_url != first.addresses.stripe_url
        assert stripe(again, "coupons").status_code == 200


def test_what_was_answered_is_in_the_file_even_if_the_process_dies(tmp_path: Path) -> None:
    """Only what a client was never told may be lost."""
    state = tmp_path / "state"
    with Sandbox(company=False, clock=Clock(PRESENT, frozen=True), state_file=state) as first:
        stripe(first, "coupons", id="TEN", percent_off="10")
        again = Sandbox(clock=Clock(PRESENT, frozen=True), state_file=state)

        assert again.stripe.get("coupon", "TEN") is not None
        again.stop()


def test_switches_are_kept_and_a_given_one_wins(tmp_path: Path) -> None:
    """The file says how the services behaved; who starts it again may still decide."""
    state = tmp_path / "state"
    first = Sandbox(
        company=False,
        state_file=state,
        switches=Switches(salesforce_row_order="scattered", salesforce_number_form="shortest"),
    )
    first.stop()

    again = Sandbox(state_file=state, switches=Switches(salesforce_locked_row_status="500"))
    now = positions(again.switches)
    again.stop()

    assert now["salesforce_row_order"] == "scattered"
    assert now["salesforce_number_form"] == "shortest"
    assert now["salesforce_locked_row_status"] == "500"


def test_the_command_prints_one_line_and_stops_cleanly_when_told_to() -> None:
    """Other programs start it, read the line, and end it."""
    command = [
        str(Path(sys.executable).with_name("coupon-pipeline")),
        "sandbox",
        "--empty",
        "--json",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        url = f"{line['salesforce']['url']}/_sandbox/clock"
        assert requests.get(url, timeout=5).status_code == 200
        assert set(line) == {"stripe", "salesforce"}
        assert set(line["stripe"]) == {"url", "api_key"}
        assert set(line["salesforce"]) == {"url", "access_token", "namespace"}

        process.send_signal(signal.SIGTERM)

        assert process.stdout.read() == ""
        assert process.wait(timeout=10) == 0


@pytest.mark.parametrize("from_script", [False, True])
def test_a_command_beside_the_sandbox_ends_with_it_as_by_ctrl_c(
    tmp_path: Path, *, from_script: bool
) -> None:
    """`dagster dev` would leave its web server and daemon behind on any other signal.

    What a script starts in the background ignores SIGINT.
    """
    told = tmp_path / "told"
    beside = textwrap.dedent(f"""
        import pathlib, signal
        print("ready", flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            pathlib.Path({str(told)!r}).write_text("Ctrl-C")
    """)
    program = str(Path(sys.executable).with_name("coupon-pipeline"))
    command = [program, "sandbox", "--empty", "--", sys.executable, "-c", beside]
    if from_script:
        command = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *command]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stdout is not None
        while process.stdout.readline() != "ready\n":
            assert process.poll() is None

        process.send_signal(signal.SIGTERM)

        assert process.wait(timeout=30) == 0
    assert told.read_text() == "Ctrl-C"


def break_off(url: str, path: str, headers: Mapping[str, str], *, length: int) -> None:
    """A client that is killed has perhaps sent the head of a request and not its body."""
    host, _, port = url.removeprefix("http://").partition(":")
    lines = [f"POST {path} HTTP/1.1", "Host: sandbox", f"Content-Length: {length}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    with socket.create_connection((host, int(port))) as client:
        client.sendall("\r\n".join([*lines, "", ""]).encode())


def test_a_request_that_breaks_off_leaves_its_key_free() -> None:
    body = "metadata[told]=whole"
    with Sandbox(company=False) as sandbox:
        url, key = sandbox.addresses.stripe_url, sandbox.addresses.stripe_api_key
        headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "k"}
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        requests.post(
            f"{url}/v1/coupons",
            data="id=ten&percent_off=10&duration=once",
            headers={**headers, "Idempotency-Key": "first"},
            timeout=5,
        )

        break_off(url, "/v1/coupons/ten", headers, length=len(body))

        answer = requests.post(f"{url}/v1/coupons/ten", data=body, headers=headers, timeout=5)
        assert answer.status_code == 200, answer.text


def test_a_request_that_breaks_off_is_no_call_of_salesforce() -> None:
    with Sandbox(company=False) as sandbox:
        url, token = sandbox.addresses.salesforce_url, sandbox.addresses.salesforce_access_token
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        used = sandbox.salesforce.org.usage.used

        break_off(url, "/services/data/v64.0/sobjects/Order", headers, length=2)
        count(sandbox, "Order")

        assert sandbox.salesforce.org.usage.used == used + 1


def test_a_pasted_terminal_is_about_the_same_accounts_and_ledger(tmp_path: Path) -> None:
    """With another ledger it would say that nothing needs attention."""
    folder = tmp_path / "Pat's sandbox"
    folder.mkdir()
    beside = "import json, os; print('beside', json.dumps(dict(os.environ)))"
    program = str(Path(sys.executable).with_name("coupon-pipeline"))
    command = [program, "sandbox", "--empty", "--", sys.executable, "-c", beside]

    ended = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=True)

    lines = ended.stdout.splitlines()
    pasted = [shlex.split(line)[1] for line in lines if line.startswith("export ")]
    (given,) = (json.loads(line[len("beside") :]) for line in lines if line.startswith("beside"))
    assert "COUPON_PIPELINE_DB" in {line.partition("=")[0] for line in pasted}
    assert {line: given[line.partition("=")[0]] for line in pasted} == {
        line: line.partition("=")[2] for line in pasted
    }
