"""Numbers of one run of the benchmarks: shown as they come, and written as a table and as JSON."""

import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

REPORT = Path(__file__).parents[2] / "docs" / "benchmarks"
MEASURED_VERSIONS = ("duckdb", "stripe", "dagster")


@dataclass(frozen=True, slots=True)
class Number:
    """One measurement. `wanted` says what is aimed at, where something is."""

    what: str
    name: str
    value: float
    wanted: str = ""

    def __str__(self) -> str:
        aim = f" (wanted: {self.wanted})" if self.wanted else ""
        return f"{self.what}: {self.name} {self.value:,.2f}{aim}"


@dataclass(frozen=True, slots=True)
class Part:
    """What one module measured, in the words of its docstring; or why it measured nothing."""

    name: str
    about: str
    numbers: Sequence[Number]
    skipped: str = ""


def write(parts: Sequence[Part], seconds: float, path: Path) -> None:
    """`docs/benchmarks.md` for people and `docs/benchmarks.json` beside it."""
    facts = circumstances(seconds)
    document = {
        **facts,
        "parts": [
            {
                "part": part.name,
                **({"skipped": part.skipped} if part.skipped else {}),
                "numbers": [
                    {"what": n.what, "name": n.name, "value": n.value, "wanted": n.wanted}
                    for n in part.numbers
                ],
            }
            for part in parts
        ],
    }
    text = json.dumps(document, indent=1) + "\n"
    path.with_suffix(".json").write_text(text, encoding="utf-8")
    body = "\n".join(_section(part) for part in parts)
    path.with_suffix(".md").write_text(_TEXT.format(**facts, body=body), encoding="utf-8")


def circumstances(seconds: float) -> dict[str, object]:
    """What a reader needs to repeat it, and to judge it."""
    versions = ", ".join(f"{name} {version(name)}" for name in MEASURED_VERSIONS)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        "versions": f"Python {platform.python_version()}, {versions}",
        "load": f"{os.getloadavg()[2]:.1f}",
        "command": " ".join(["python -m tests.benchmarks", *sys.argv[1:]]),
        "seconds": round(seconds),
    }


def _section(part: Part) -> str:
    rows = "\n".join(f"| {n.what} | {n.name} | {n.value:,.2f} | {n.wanted} |" for n in part.numbers)
    table = f"| what | number | value | wanted |\n|---|---|---|---|\n{rows}\n"
    return f"## {part.name}\n\n{part.about}\n\n{part.skipped or table}"


_TEXT = """# Benchmarks

All in one run, side by side, against the same kind of local sandbox, which shares the machine's
cores with what is measured. Where no limits are emulated, seconds are the speed of this machine,
not of Stripe or Salesforce.

{body}
Made on {date} in {seconds} s by `{command}` on {machine}, {versions}; load of the last 15 minutes
{load}. `make benchmark` repeats it, `python -m tests.benchmarks --help` tells how to repeat a part.
"""
