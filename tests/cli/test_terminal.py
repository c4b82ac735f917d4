"""What people typed in Salesforce is shown on a terminal and never obeyed."""

import io
import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from coupon_pipeline.cli import terminal as terminal_module
from coupon_pipeline.cli.terminal import Terminal

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


def test_every_command_shows_through_it() -> None:
    """A console of one's own would let everything through; the sandbox shows its addresses only."""
    folder = Path(terminal_module.__file__).parent

    own = [
        file.name
        for file in folder.glob("*.py")
        if "import Console" in file.read_text(encoding="utf-8")
    ]

    assert sorted(own) == ["sandbox.py", "terminal.py"]
