"""`coupon-pipeline sandbox`: the local Salesforce and Stripe, served until stopped."""

import json
import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click
import requests

from coupon_pipeline.cli.terminal import Terminal, say, say_document
from coupon_pipeline.settings import SANDBOX_ADDRESSES, SANDBOX_FOLDER, Settings

if TYPE_CHECKING:  # imported inside the command, so that the command line starts at once
    from rich.console import RenderableType

    from coupon_pipeline.sandbox.serving import Sandbox


STATE_FILE = SANDBOX_FOLDER / "sandbox.sqlite"
_USERS, _BEGINNING = SANDBOX_FOLDER / "sandbox.users", SANDBOX_FOLDER / "sandbox.beginning"
_TIME_TO_STOP_SECONDS = 20
_TIME_TO_BEGIN_SECONDS = 60.0
_TIME_FOR_OTHERS_SECONDS = 1800


@click.command()
@click.option(
    "--orders", default=200, show_default=True, type=click.IntRange(min=0), help="Company size."
)
@click.option("--seed", default=7, show_default=True, help="The same seed, the same company.")
@click.option("--empty", is_flag=True, help="No company: two accounts with nothing in them.")
@click.option(
    "--state",
    "state_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep everything in this file and go on from there the next time.",
)
@click.option("--stripe-port", default=0, help="Port of Stripe; a free one unless given.")
@click.option("--salesforce-port", default=0, help="Port of Salesforce; a free one unless given.")
@click.option(
    "--namespace",
    default="stripeConnector",
    show_default=True,
    help="Namespace of the managed package; empty for none.",
)
@click.option("--single-currency", is_flag=True, help="An org without multiple currencies.")
@click.option("--frozen-clock", is_flag=True, help="Time stands still until it is advanced.")
@click.option(
    "--switch",
    "wanted_switches",
    multiple=True,
    metavar="NAME=VALUE",
    help="Decide a point that is unconfirmed about the real services; repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="Print addresses and keys as one JSON line.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND ...]")
def sandbox(
    *,
    orders: int,
    seed: int,
    empty: bool,
    state_file: Path | None,
    stripe_port: int,
    salesforce_port: int,
    namespace: str,
    single_currency: bool,
    frozen_clock: bool,
    wanted_switches: tuple[str, ...],
    as_json: bool,
    command: tuple[str, ...],
) -> int:
    """Serve a local Salesforce and Stripe, with a company in them, until stopped.

    With a COMMAND, that is run with the sandbox as its only accounts, and serving ends with it.
    """
    from coupon_pipeline.sandbox.clock import Clock  # noqa: PLC0415
    from coupon_pipeline.sandbox.serving import Sandbox  # noqa: PLC0415
    from coupon_pipeline.sandbox.switches import Switches, UnknownSwitchError, turn  # noqa: PLC0415

    switches = Switches()
    try:
        turn(switches, dict(_pair(text) for text in wanted_switches))
    except UnknownSwitchError as error:
        raise click.BadParameter(str(error), param_hint="--switch") from error
    if state_file is not None:
        state_file.parent.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, _interrupt)
    # in the background of a script it is ignored, and the command would inherit that
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with (
            Sandbox(
                orders=orders,
                seed=seed,
                company=not empty,
                namespace=namespace,
                multi_currency=not single_currency,
                clock=Clock(frozen=frozen_clock),
                switches=switches,
                state_file=state_file,
                stripe_port=stripe_port,
                salesforce_port=salesforce_port,
            ) as served,
            announced(served, state_file) as ledger,
        ):
            environment = {
                **served.addresses.environment(),
                "COUPON_PIPELINE_DB": str(ledger.resolve()),
            }
            _announce(served, environment, as_json=as_json)
            if command:
                return _run_beside(command, environment)
            threading.Event().wait()
    except KeyboardInterrupt:
        return 0
    except OSError as error:
        raise click.ClickException(f"The sandbox cannot listen there: {error}.") from error
    return 0


def _run_beside(command: tuple[str, ...], environment: Mapping[str, str]) -> int:
    try:
        # the user's own command, run as the user asked
        process = subprocess.Popen(command, env={**os.environ, **environment})  # noqa: S603
    except OSError as error:
        raise click.ClickException(f"{command[0]} cannot be run: {error}.") from error
    try:
        return process.wait()
    except KeyboardInterrupt as stopped:
        if isinstance(stopped, _Terminated):
            process.send_signal(signal.SIGINT)
        for harder in (process.terminate, process.kill):
            try:
                return process.wait(_TIME_TO_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                harder()
        return process.wait()


class _Terminated(KeyboardInterrupt):
    """Told to end by a signal to this process alone, where Ctrl-C tells the command as well.

    The command is then told as by Ctrl-C: `dagster dev` ends what it has started on that only.
    """


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise _Terminated


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE.", param_hint="--switch")
    return name, value


def _announce(served: "Sandbox", environment: Mapping[str, str], *, as_json: bool) -> None:
    if as_json:
        say_document(_document(served))
        return
    console = Terminal(soft_wrap=True)
    console.print(_panel(served))
    console.print("To work on it, paste into another terminal:\n")
    for name, value in environment.items():
        console.print(f"export {name}={shlex.quote(value)}", highlight=False, markup=False)
    console.print("\nCtrl-C stops it.")


def _panel(served: "Sandbox") -> "RenderableType":
    from rich.panel import Panel  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    addresses = served.addresses
    table = Table.grid(padding=(0, 2))
    table.add_row("Salesforce", f"{addresses.salesforce_url}/", "records, as in the org")
    table.add_row("Stripe", f"{addresses.stripe_url}/", "dashboard of the account")
    table.add_row("Clock", f"{addresses.stripe_url}/_pages/clock", "let time pass")
    table.add_row("Faults", f"{addresses.stripe_url}/_pages/faults", "break something on purpose")
    return Panel(table, title="coupon-pipeline sandbox", expand=False)


@contextmanager
def local_sandbox(settings: Settings) -> Iterator[None]:
    """Serve the sandbox for the block where no account is set and none runs in this folder.

    It goes on where it was left, so that two runs in a row meet the same two services. Commands
    that are run at once share it: whoever began serving goes on until the others have ended.
    """
    if not settings.uses_local_sandbox:
        yield
        return
    from coupon_pipeline.ledger.connection import file_lock  # noqa: PLC0415

    SANDBOX_FOLDER.mkdir(exist_ok=True)
    with ExitStack() as held:
        with _beginning():
            serves = not _answers()
            if serves:
                from coupon_pipeline.sandbox.serving import Sandbox  # noqa: PLC0415

                say("No account is set: using the local sandbox.", err=True)
                served = held.enter_context(Sandbox(state_file=STATE_FILE))
                held.enter_context(announced(served, STATE_FILE))
            else:
                held.enter_context(file_lock(_USERS, exclusive=False))
        try:
            yield
        finally:
            if serves:
                _stop_when_unused(held)


def _beginning() -> AbstractContextManager[None]:
    """Only one command at a time looks for the sandbox, begins to serve it or stops it."""
    from coupon_pipeline.ledger.connection import file_lock  # noqa: PLC0415

    return file_lock(_BEGINNING, exclusive=True, patience=_TIME_TO_BEGIN_SECONDS)


def _stop_when_unused(serving: ExitStack) -> None:
    """Stop serving once no other command of this folder holds the sandbox, or after a while."""
    from coupon_pipeline.ledger import LedgerBusy  # noqa: PLC0415
    from coupon_pipeline.ledger.connection import file_lock  # noqa: PLC0415

    for attempt in range(_TIME_FOR_OTHERS_SECONDS):
        try:
            with _beginning(), file_lock(_USERS, exclusive=True, patience=0):
                serving.close()
                return
        except LedgerBusy:
            if attempt == 0:
                say("Another command still uses the local sandbox.", err=True)
        time.sleep(1)


@contextmanager
def announced(served: "Sandbox", state_file: Path | None) -> Iterator[Path]:
    """Tell the commands that are run in this folder where the sandbox is.

    Without a state file the two services forget everything when they stop, and so does the ledger
    that goes with them. Gives that ledger's path.
    """
    passing = SANDBOX_FOLDER / f"passing-{os.getpid()}.sqlite"
    ledger = (state_file or passing).with_suffix(".duckdb")
    document = json.dumps({**_document(served), "ledger": str(ledger)})
    try:
        SANDBOX_FOLDER.mkdir(exist_ok=True)
        SANDBOX_ADDRESSES.write_text(document, encoding="utf-8")
    except OSError as error:
        say(f"Commands in this folder will not find the sandbox: {error}.", err=True)
    try:
        yield ledger
    finally:
        if SANDBOX_ADDRESSES.is_file() and SANDBOX_ADDRESSES.read_text("utf-8") == document:
            SANDBOX_ADDRESSES.unlink()
        if state_file is None:
            forget(passing)


def _document(served: "Sandbox") -> dict[str, dict[str, str]]:
    addresses = served.addresses
    return {
        "stripe": {"url": addresses.stripe_url, "api_key": addresses.stripe_api_key},
        "salesforce": {
            "url": addresses.salesforce_url,
            "access_token": addresses.salesforce_access_token,
            "namespace": addresses.salesforce_namespace,
        },
    }


def forget(state_file: Path) -> None:
    """Remove the state of a sandbox and the ledger that goes with it."""
    ledger = state_file.with_suffix(".duckdb")
    for file in (state_file, ledger):
        for suffix in ("", "-wal", "-shm", "-journal", ".wal", ".lock", ".load.lock"):
            Path(f"{file}{suffix}").unlink(missing_ok=True)


def _answers() -> bool:
    """Whether the sandbox that announced itself here is still there."""
    try:
        url = json.loads(SANDBOX_ADDRESSES.read_text(encoding="utf-8"))["stripe"]["url"]
        return requests.get(f"{url}/_sandbox/clock", timeout=2).ok
    except (OSError, ValueError, KeyError):
        return False
