"""Every scenario, killed at every point that matters: `python -m tests.crashes.matrix`.

Writes `docs/crash-matrix.md` and `docs/crash-matrix.json`. The real program is killed with SIGKILL
where the rerun comes at once; where time passes in between, and for pairs, the crashes are those
of `in_process`, which leave the same and take half the time.
"""

import argparse
import concurrent.futures
import json
import multiprocessing
import os
import platform
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import product
from pathlib import Path

import click
import dagster as dg

from tests.crashes.points import Event, Point, points_of
from tests.crashes.processes import kill_process
from tests.crashes.scenarios import SCENARIOS, Scenario
from tests.crashes.states import VIOLATIONS
from tests.crashes.trials import Wait, try_crash, undisturbed

REPORT = Path(__file__).parents[2] / "docs" / "crash-matrix"
SETTLED_EVERY = 10
MOST_PAIRS = 8


@dataclass
class Row:
    """One scenario with one wait: how many crashes, and what was wrong after them."""

    scenario: str
    wait: str
    crashes: str
    trials: int = 0
    violations: Counter[str] = field(default_factory=Counter)
    seen: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        """For the report beside the table."""
        return {
            "scenario": self.scenario,
            "wait": self.wait,
            "crashes": self.crashes,
            "trials": self.trials,
            "violations": dict(self.violations),
            "seen": self.seen,
        }


@dataclass(frozen=True, slots=True)
class Work:
    """A row to be filled, in a process of its own."""

    scenario: str
    wait: Wait
    pairs: bool = False
    processes: bool = False
    every: int = 1
    all_points: bool = False


def main() -> None:
    """Run the matrix, write the report, leave with 1 if anything was violated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenario", action="append", help="only this one; repeatable")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--every", type=int, default=1, help="only each n-th point")
    parser.add_argument(
        "--processes",
        type=int,
        default=len(SCENARIOS),
        metavar="N",
        help="SIGKILL for the first N scenarios only; the others crash in this process",
    )
    parser.add_argument("--out", type=Path, default=REPORT, help="path of the report, no ending")
    asked = parser.parse_args()
    names: list[str] = asked.scenario or list(SCENARIOS)
    works = list(_works([SCENARIOS[name] for name in names], asked.every, asked.processes))
    began = time.monotonic()
    rows = []
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(asked.jobs, mp_context=spawn) as pool:
        for done in concurrent.futures.as_completed([pool.submit(fill, work) for work in works]):
            row = done.result()
            rows.append(row)
            click.echo(f"{row.trials:5} {dict(row.violations) or 'fine'} {_title(row)}", err=True)
    order = {name: place for place, name in enumerate(SCENARIOS)}
    rows.sort(key=lambda row: (order[row.scenario], row.crashes, row.wait))
    write_report(asked.out, rows, time.monotonic() - began)
    sys.exit(any(row.violations for row in rows))


def _works(scenarios: Sequence[Scenario], every: int, processes: int) -> Iterable[Work]:
    for number, scenario in enumerate(scenarios):
        yield Work(
            scenario.name,
            "at once",
            processes=number < processes,
            every=every,
            all_points=number == 0,
        )
        yield Work(scenario.name, "a day later", every=every)
        if scenario.spends:
            yield Work(scenario.name, "after an invoice", every=every)
        if scenario.small:
            yield Work(scenario.name, "a day later", pairs=True)


def fill(work: Work) -> Row:
    """Try all crashes of a row."""
    scenario = SCENARIOS[work.scenario]
    kind = "twice" if work.pairs else "SIGKILL" if work.processes else "once"
    row = Row(scenario.name, work.wait, kind)
    with (
        dg.DagsterInstance.ephemeral() as instance,
        tempfile.TemporaryDirectory(dir=fast_folder()) as name,
    ):
        folder = Path(name)
        plain = undisturbed(scenario, work.wait, folder, instance)
        for number, points in enumerate(_crashes(work, plain.events)):
            found = try_crash(
                scenario,
                points,
                work.wait,
                plain.state,
                folder,
                instance,
                kill=kill_process if work.processes else None,
                settle=number % SETTLED_EVERY == 0,
            )
            row.trials += 1
            for violation, what in found.by_kind.items():
                row.violations[violation] += 1
                row.seen.append(f"{', '.join(map(str, points))}: {violation}: {what[0]}")
    return row


def _crashes(work: Work, events: Sequence[Event]) -> list[tuple[Point, ...]]:
    """The points of a row; where time passes, those at which an outcome is unknown."""
    near_writes = points_of(events, every=work.all_points)
    unknown = [p for p in near_writes if p.service is not None] or near_writes
    if work.pairs:
        pairs: list[tuple[Point, ...]] = list(product(unknown, unknown))
        step = max(1, len(pairs) // MOST_PAIRS)
        return pairs[::step]
    if work.wait == "at once":
        return [(point,) for point in near_writes[:: work.every]]
    return [(point,) for point in unknown[:: work.every]]


def fast_folder() -> str | None:
    """A folder in memory where there is one: fsync is not what is tried here."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def where_and_when(module: str, seconds: float) -> dict[str, object]:
    """What a reader needs to repeat it."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "stripe", "dagster"))
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python "
        f"{platform.python_version()}, {versions}",
        "command": " ".join([f"python -m {module}", *_without_out(sys.argv[1:])]),
        "seconds": round(seconds),
    }


def _without_out(arguments: Sequence[str]) -> list[str]:
    """Where a report was written to says nothing about it."""
    pairs = zip(arguments, ("", *arguments), strict=False)
    return [each for each, last in pairs if "--out" not in {each, last}]


def write_report(path: Path, rows: Sequence[Row], seconds: float) -> None:
    """The table for people and the JSON beside it."""
    total = sum(row.trials for row in rows)
    violations = sum((row.violations for row in rows), Counter[str]())
    facts = {
        **where_and_when("tests.crashes.matrix", seconds),
        "scenarios": len({row.scenario for row in rows}),
        "crashes": total,
        "violations": {kind: violations[kind] for kind in VIOLATIONS},
    }
    document = {**facts, "rows": [row.as_json() for row in rows]}
    path.with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    text = _TEXT.format(
        **facts,
        total=sum(violations.values()),
        kinds="\n".join(f"| {kind} | {violations[kind]} |" for kind in VIOLATIONS),
        table="\n".join(
            f"| {row.scenario} | {row.wait} | {row.crashes} | {row.trials} "
            f"| {sum(row.violations.values())} |"
            for row in rows
        ),
    )
    seen = [f"- {_title(row)}: {what}\n" for row in rows for what in row.seen]
    path.with_suffix(".md").write_text(
        text + ("\n## Violations\n\n" + "".join(seen) if seen else ""), encoding="utf-8"
    )


_TEXT = """# Crash matrix

{crashes} crashes in {scenarios} scenarios, {total} violations. After each crash the run is repeated
once, and both systems are compared with what they are without a crash. The scenarios are in
`tests/crashes/scenarios.toml`.

| violation | times |
|---|---|
{kinds}

Crashes happen before and after each request that writes and each commit of the ledger next to one;
in the first scenario at every request and every commit. `SIGKILL` kills the real program; `once`
and `twice` are one and two crashes that leave what a killed process leaves, in the process of the
test. A rerun `a day later` finds all idempotency keys expired; `after an invoice`, an invoice
has used `once` discounts up.

| scenario | rerun | crashes | trials | violations |
|---|---|---|---|---|
{table}

Made on {date} in {seconds} s by `{command}` on {machine}. With `--every n`, each n-th point.
"""


def _title(row: Row) -> str:
    return f"{row.scenario}, {row.crashes}, {row.wait}"


if __name__ == "__main__":
    main()
