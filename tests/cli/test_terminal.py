"""What people typed in Salesforce is shown on a terminal and never obeyed."""

import io
import json
import re
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from coupon_pipeline.assets.run import RunStopped
from coupon_pipeline.cli import terminal as terminal_module
from coupon_pipeline.cli.terminal import Terminal, say, say_document
from coupon_pipeline.domain.problems import Problem
from coupon_pipeline.salesforce import SalesforceError
from coupon_pipeline.stripe_api import StripeEdgeError
from tests.cli.commands import Command
from tests.world import World

HOSTILE = st.text(st.sampled_from("\x1b\x9b\x07\x08\r\u202e\u2066]0;[31mA"), max_size=30)


@given(HOSTILE)
def test_a_terminal_is_steered_by_our_colours_only(text: str) -> None:
    """In a line, and in the cell of a table."""
    file = io.StringIO()
    terminal = Terminal(file=file, force_terminal=True, color_system="standard", width=80)
    table = Table()
    table.add_row(Text(text), Text("ours", style="red"))

    terminal.print(Text(text, style="bold"))
    terminal.print(table)

    shown = re.sub(r"\x1b\[[0-9;]*m", "", file.getvalue())
    assert [c for c in shown if c != "\n" and (ord(c) < 32 or 127 <= ord(c) < 160)] == []
    assert "\u202e" not in shown
    assert "\u2066" not in shown
    assert "\x1b[31m" in file.getvalue()


@given(HOSTILE, st.booleans())
def test_a_plain_line_or_document_steers_nothing(text: str, err: bool) -> None:  # noqa: FBT001 - hypothesis gives it
    """What went wrong is told so, and names what people typed; a document keeps it as data."""
    said, told = io.StringIO(), io.StringIO()
    with redirect_stderr(said) if err else redirect_stdout(said):
        say(f"a code: {text}\nwhat to do", err=err)
    with redirect_stdout(told):
        say_document({"message": text})

    assert [c for c in said.getvalue() + told.getvalue() if c != "\n" and not c.isprintable()] == []
    assert said.getvalue().endswith("\nwhat to do\n")
    assert json.loads(told.getvalue()) == {"message": text}


def test_every_command_shows_through_it() -> None:
    """A console, a print or an echo of one's own would let everything through."""
    folder = Path(terminal_module.__file__).parent
    own = re.compile(r"import Console|\bprint_exc|(?<!\.)\bprint\(|\becho\(")

    found = {
        file.name: own.findall(file.read_text(encoding="utf-8")) for file in folder.glob("*.py")
    }

    assert {name: ways for name, ways in found.items() if ways} == {
        "terminal.py": ["import Console", "echo(", "echo("],
        "bill_of_materials.py": ["echo("],  # of the lock
    }


@given(HOSTILE)
def test_what_a_service_answers_steers_nothing_in_an_error(text: str) -> None:
    """Dagster shows errors with their causes, past every console of ours."""
    stopped = RunStopped(Problem("plan.not_in_plan", {"operation": text}))
    for error in (SalesforceError(text, "Do this."), StripeEdgeError(text), stopped):
        assert error.message.isprintable()
        assert str(error).isprintable()


def test_a_name_from_salesforce_steers_no_terminal(
    world: World, command: Command, tmp_path: Path
) -> None:
    """In the tables of a run, in the CSV of what is blocked, and in what is wrong with a file."""
    name = "Sp\x1b[31mring\x9b2J\u202e\x07"
    order = world.order(coupons=[world.bad_quote_coupon(Name__c=name)])
    seen = [command("sync"), command("problems"), command("problems", "--csv")]
    seen += [command("explain", order.order_id), command("explain", name)]
    mapping = tmp_path / "mapping.toml"
    mapping.write_text(f"[coupon]\nname = {json.dumps(name)}\n", encoding="utf-8")
    world.setting("COUPON_PIPELINE_MAPPING", str(mapping))
    seen.append(command("plan"))

    shown = [ran.out + ran.err for ran in seen]
    assert ["Sp[31mring" in each for each in shown] == [True] * len(seen)
    assert [c for c in "".join(shown) if c != "\n" and not c.isprintable()] == []
