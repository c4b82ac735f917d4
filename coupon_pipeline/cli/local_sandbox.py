"""The local sandbox for a command that is run without any account."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
import requests

from coupon_pipeline.settings import SANDBOX_ADDRESSES, SANDBOX_FOLDER, Settings

if TYPE_CHECKING:
    from coupon_pipeline.sandbox.serving import Sandbox

STATE_FILE = SANDBOX_FOLDER / "sandbox.sqlite"


@contextmanager
def local_sandbox(settings: Settings) -> Iterator[None]:
    """Serve the sandbox for the block where no account is set and none runs in this folder.

    It goes on where it was left, so that two runs in a row meet the same two services.
    """
    if not settings.uses_local_sandbox or _answers():
        yield
        return
    from coupon_pipeline.sandbox.serving import Sandbox  # noqa: PLC0415

    SANDBOX_FOLDER.mkdir(exist_ok=True)
    click.echo("No account is set: using the local sandbox.", err=True)
    with Sandbox(state_file=STATE_FILE) as served, announced(served, STATE_FILE):
        yield


@contextmanager
def announced(served: "Sandbox", state_file: Path | None) -> Iterator[Path]:
    """Tell the commands that are run in this folder where the sandbox is.

    Without a state file the two services forget everything when they stop, and so does the ledger
    that goes with them. Gives that ledger's path.
    """
    SANDBOX_FOLDER.mkdir(exist_ok=True)
    ledger = (state_file or SANDBOX_FOLDER / "passing.sqlite").with_suffix(".duckdb")
    if state_file is None:
        forget(ledger)
    addresses = served.addresses
    SANDBOX_ADDRESSES.write_text(
        json.dumps(
            {
                "stripe": {"url": addresses.stripe_url, "api_key": addresses.stripe_api_key},
                "salesforce": {
                    "url": addresses.salesforce_url,
                    "access_token": addresses.salesforce_access_token,
                    "namespace": addresses.salesforce_namespace,
                },
                "ledger": str(ledger),
            }
        ),
        encoding="utf-8",
    )
    try:
        yield ledger
    finally:
        SANDBOX_ADDRESSES.unlink(missing_ok=True)
        if state_file is None:
            forget(ledger)


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
