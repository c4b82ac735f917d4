"""Tables for Dagster's pages."""

from collections.abc import Sequence


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
