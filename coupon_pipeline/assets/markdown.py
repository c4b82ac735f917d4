"""Tables for Dagster's pages. Text from the two services is data and must not become Markdown."""

from collections.abc import Sequence


def plain(text: str | None) -> str:
    """Text that shows as it is, whatever is in it."""
    shown = (text or "").replace("\n", " ")
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]<>()#+-!|" else letter for letter in shown)


def table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], most: int, count: int | None = None
) -> str:
    """The first `most` rows, whose cells are Markdown, and how many of `count` are not shown."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(row) + " |" for row in rows[:most]]
    left_out = (len(rows) if count is None else count) - most
    if left_out > 0:
        lines.append(f"\n{left_out} more are not shown.")
    return "\n".join(lines)
