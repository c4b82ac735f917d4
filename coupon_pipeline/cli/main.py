"""`coupon-pipeline`: finds the command's module, and turns what goes wrong into an exit status.

0 all done, 1 could not run or was refused, 2 wrong usage or configuration, 3 done but some
records are blocked, 4 (`plan`) there are changes to make.
"""

import contextlib
import errno
import importlib
import logging
import os
import signal
import sys
import traceback
from dataclasses import dataclass
from typing import NoReturn, cast

import click

DONE, COULD_NOT_RUN, WRONG_USAGE, SOME_BLOCKED, CHANGES_TO_MAKE = range(5)

_COMMANDS = {
    "demo": "Start the local sandbox, run the whole pipeline, show what happened and why.",
    "sync": "Make Stripe's discounts what the activated orders signed.",
    "plan": "Show what sync would do; nothing is written anywhere.",
    "apply": "Make exactly the writes of a plan that was saved, once.",
    "explain": "Tell the story of an order, item, quote coupon, Stripe coupon or subscription.",
    "doctor": "Check credentials, permissions, fields, currencies, mapping and ledger.",
    "audit": "Read both systems and tell every difference from the ledger.",
    "repair": "Propose the writes that would mend what audit finds.",
    "verify": "Prove that the ledger is intact and unaltered, and agrees with both systems.",
    "rebuild-ledger": "Make a lost or broken ledger again from Salesforce and Stripe.",
    "evidence": "Export every write, before and after, as Parquet, CSV or JSON.",
    "problems": "List the records that are blocked or waiting, with what to do.",
    "retry": "Read the blocked and waiting records again, and try them again.",
    "sandbox": "Serve a local Salesforce and Stripe until stopped.",
}


_HISTORY_IS_FULL = "database or disk is full"
"""SQLite's words, which Dagster's run history passes on."""

_WITHOUT_CONNECTION = frozenset({"demo", "sandbox"})
"""They bring their own accounts."""


def _choose(_: click.Context, __: click.Parameter, name: str | None) -> None:
    """Settings are read from the environment, so that is where the choice is told."""
    if name is not None:
        os.environ["COUPON_PIPELINE_CONNECTION"] = name


_CONNECTION = click.Option(
    ["--connection"],
    metavar="NAME",
    help="Which of several connections (COUPON_PIPELINE_CONNECTIONS) it is about.",
    expose_value=False,
    callback=_choose,
)


class _Commands(click.Group):
    """Imports a command's module when that command is called, so that help is instant."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        module = importlib.import_module(f"coupon_pipeline.cli.{name}")
        command = cast("click.Command", getattr(module, name))
        if cmd_name not in _WITHOUT_CONNECTION and _CONNECTION not in command.params:
            command.params.append(_CONNECTION)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="coupon-pipeline")
def commands() -> None:
    """Coupons signed in Salesforce CPQ become exactly those discounts in Stripe, once."""


def main() -> None:
    """The program: runs a command and exits with its status."""
    as_json = "--json" in sys.argv[1:]
    try:
        status = commands.main(standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        _tell(
            as_json=as_json,
            code="stopped",
            message="Stopped.",
            fix="Nothing is lost: run it again.",
        )
        sys.exit(COULD_NOT_RUN)
    except click.ClickException as error:
        _tell(as_json=as_json, code="usage", message=error.format_message(), fix="See --help.")
        sys.exit(WRONG_USAGE)
    except Exception as error:
        # Dagster wraps what goes wrong while it builds a resource
        known = _known(error) or (_known(error.__cause__) if error.__cause__ else None)
        if known is None:
            raise
        _tell(as_json=as_json, code=known.code, message=known.message, fix=known.fix)
        sys.exit(known.status)
    sys.exit(status or DONE)


def run() -> NoReturn:
    """The entry point: `main`, and out without tearing the interpreter down.

    By now everything is closed. The tear-down itself makes duckdb 2.0.0's binding print pages about
    leaked types on standard error after a Dagster run, which people would take for a failure.
    """
    status: object = COULD_NOT_RUN
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # told to end, as by Ctrl-C
    try:
        main()
    except SystemExit as left:
        status = left.code
    except BaseException:  # noqa: BLE001 - as the interpreter would show it
        from coupon_pipeline.cli.terminal import say  # noqa: PLC0415 - only when it failed

        say(traceback.format_exc(), err=True)
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status if isinstance(status, int) else DONE)


@dataclass(frozen=True, slots=True)
class _Known:
    """An error that says what to do about it."""

    code: str
    message: str
    fix: str
    status: int


def _known(error: BaseException) -> _Known | None:
    from coupon_pipeline.assets.run import RunStopped  # noqa: PLC0415 - only when it failed
    from coupon_pipeline.domain.mapping import MappingError  # noqa: PLC0415
    from coupon_pipeline.ledger import LedgerError  # noqa: PLC0415
    from coupon_pipeline.salesforce import SalesforceError  # noqa: PLC0415
    from coupon_pipeline.settings import SettingsError  # noqa: PLC0415
    from coupon_pipeline.stripe_api import StripeEdgeError  # noqa: PLC0415

    if isinstance(error, SettingsError | MappingError):
        return _Known(error.code, error.message, error.fix, WRONG_USAGE)
    if isinstance(error, SalesforceError | StripeEdgeError | LedgerError | RunStopped):
        return _Known(error.code, error.message, error.fix, COULD_NOT_RUN)
    if getattr(error, "errno", None) == errno.ENOSPC or _HISTORY_IS_FULL in str(error):
        fix = "Make room, then run it again: what was done so far is kept."
        return _Known("disk.full", "A disk has no room left.", fix, COULD_NOT_RUN)
    return None


def _tell(*, as_json: bool, code: str, message: str, fix: str) -> None:
    from coupon_pipeline.cli.terminal import say, say_document  # noqa: PLC0415 - only when it failed

    say(f"{code}: {message} {fix}".strip(), err=True)
    if as_json:
        with contextlib.suppress(OSError):  # where it goes to may be what is full
            say_document({"error": {"code": code, "message": message, "fix": fix}})
