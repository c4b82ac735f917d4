"""Every fault of the sandbox at every call: `python -m tests.crashes.faults`.

Writes `docs/fault-matrix.md` and `docs/fault-matrix.json`. A fault that passes must end in success,
or in an error with a code and a remedy; one that stays may only end in such an error. A run
without the fault must then make everything what it is without one.
"""

import argparse
import concurrent.futures
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click
import dagster as dg

from coupon_pipeline.ledger import LedgerError
from coupon_pipeline.ledger.problems import read_open_problems
from coupon_pipeline.salesforce import SalesforceError
from coupon_pipeline.sandbox.calls import ServiceName
from coupon_pipeline.sandbox.faults import ANSWER_KINDS, TRANSPORT_KINDS, FaultRule
from coupon_pipeline.stripe_api import StripeEdgeError
from tests.crashes.in_process import Life
from tests.crashes.matrix import fast_folder, where_and_when
from tests.crashes.scenarios import SCENARIOS, Scenario
from tests.crashes.states import BothSystems, differences, read_both
from tests.crashes.trials import staged, undisturbed
from tests.world import World

REPORT = Path(__file__).parents[2] / "docs" / "fault-matrix"
SCENARIO = "a foreign discount and a coupon on the line"
SERVICES: tuple[ServiceName, ...] = ("salesforce", "stripe")
READ_TIMEOUT_SECONDS = 0.25
"""So long an answer is waited for: a held request is one that times out."""
AWAY_MILLISECONDS = 30


@dataclass
class Ending:
    """How runs with a fault ended, and what was wrong."""

    endings: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind, from one call on, once or for good."""

    service: ServiceName
    kind: str
    call: int
    stays: bool

    def __str__(self) -> str:
        return f"{self.kind} {'from' if self.stays else 'at'} {self.service} request {self.call}"

    def rule(self) -> FaultRule:
        """For the sandbox."""
        return FaultRule(
            service=self.service,
            kind=self.kind,
            after=self.call - 1,
            times=None if self.stays else 1,
            milliseconds=AWAY_MILLISECONDS,
        )


def kinds_of(service: ServiceName) -> list[str]:
    """Every fault that the sandbox has for a service."""
    return [*TRANSPORT_KINDS, *ANSWER_KINDS[service]]


def faults_of(service: ServiceName, kind: str, calls: int) -> Iterable[Fault]:
    """One kind of fault at every call of a run that makes so many of them, once and for good."""
    for call in range(1, calls + 1):
        yield Fault(service, kind, call, stays=False)
        yield Fault(service, kind, call, stays=True)


def try_fault(
    scenario: Scenario,
    fault: Fault,
    wanted: BothSystems,
    folder: Path,
    instance: dg.DagsterInstance,
    ending: Ending,
) -> None:
    """Run with the fault, then without it, and note how it ended and what is wrong."""
    with staged(scenario, folder, instance) as world:
        number = world.sandbox.faults.arm(fault.rule())
        try:
            Life(world, read_timeout=READ_TIMEOUT_SECONDS).run()
        except (SalesforceError, StripeEdgeError, LedgerError) as error:
            ending.endings[error.code] += 1
            if not error.fix:
                ending.wrong.append(f"{fault}: {error.code} says no remedy")
        except Exception as error:  # noqa: BLE001 - exactly what must not happen is reported
            ending.endings["unnamed error"] += 1
            ending.wrong.append(f"{fault}: {type(error).__name__}: {error}")
        else:
            codes = _open_problems(world)
            ending.endings[", ".join(sorted(codes)) or "success"] += 1
        world.sandbox.faults.disarm(number)
        world.sandbox.wait_until_back(fault.service)
        try:
            Life(world).run()
        except Exception as error:  # noqa: BLE001 - as above
            ending.wrong.append(f"{fault}: then {type(error).__name__}: {error}")
        found = differences(wanted, read_both(world), spent=False)
        ending.wrong += [f"{fault}: {kind}: {what[0]}" for kind, what in found.by_kind.items()]
        left = _open_problems(world)
        if left:
            ending.wrong.append(f"{fault}: {left} without the fault")


def _open_problems(world: World) -> set[str]:
    with world.ledger.reading() as tx:
        return {problem.code for problem in read_open_problems(tx)}


def fill(service: ServiceName, kind: str, every: int) -> tuple[ServiceName, str, int, Ending]:
    """Try one kind of fault at the calls of the scenario."""
    scenario, ending, trials = SCENARIOS[SCENARIO], Ending(), 0
    with (
        dg.DagsterInstance.ephemeral() as instance,
        tempfile.TemporaryDirectory(dir=fast_folder()) as name,
    ):
        plain = undisturbed(scenario, "at once", Path(name), instance)
        calls = sum(event.service == service for event in plain.events)
        for fault in list(faults_of(service, kind, calls))[::every]:
            try_fault(scenario, fault, plain.state, Path(name), instance, ending)
            trials += 1
    return service, kind, trials, ending


def main() -> None:
    """Run the matrix, write the report, leave with 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--every", type=int, default=1, help="only each n-th trial of a kind")
    parser.add_argument("--out", type=Path, default=REPORT, help="path of the report, no ending")
    asked = parser.parse_args()
    began, rows = time.monotonic(), []
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(asked.jobs, mp_context=spawn) as pool:
        waiting = [
            pool.submit(fill, service, kind, asked.every)
            for service in SERVICES
            for kind in kinds_of(service)
        ]
        for done in concurrent.futures.as_completed(waiting):
            service, kind, trials, ending = done.result()
            rows.append((service, kind, trials, ending))
            click.echo(f"{trials:5} {ending.wrong or 'fine'} {service} {kind}", err=True)
    write_report(asked.out, sorted(rows, key=lambda row: row[:2]), time.monotonic() - began)
    sys.exit(any(row[3].wrong for row in rows))


def write_report(
    path: Path, rows: Sequence[tuple[ServiceName, str, int, Ending]], seconds: float
) -> None:
    """The table for people and the JSON beside it."""
    wrong = [what for row in rows for what in row[3].wrong]
    facts = {
        **where_and_when("tests.crashes.faults", seconds),
        "scenario": SCENARIO,
        "trials": sum(row[2] for row in rows),
        "wrong": len(wrong),
    }
    document = {
        **facts,
        "rows": [
            {"service": s, "kind": k, "trials": t, "endings": e.endings, "wrong": e.wrong}
            for s, k, t, e in rows
        ],
    }
    path.with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    table = "\n".join(f"| {s} | `{k}` | {t} | {_told(e)} | {len(e.wrong)} |" for s, k, t, e in rows)
    text = _TEXT.format(**facts, table=table)
    text += "".join(["\n## Wrong\n\n", *(f"- {what}\n" for what in wrong)] if wrong else [])
    path.with_suffix(".md").write_text(text, encoding="utf-8")


def _told(ending: Ending) -> str:
    return ", ".join(f"{number} {code}" for code, number in ending.endings.most_common())


_TEXT = """# Fault matrix

{trials} runs with a fault, {wrong} with a wrong end. Each fault strikes once, and for good, at each
call of the scenario "{scenario}"; with a held request the client runs out of patience. The run
ends in success or in an error or problem whose code and remedy are in the catalogue; the run after
it, without the fault, makes both systems what they are without one.

| service | fault | runs | ends of the run with the fault | wrong |
|---|---|---|---|---|
{table}

Made on {date} in {seconds} s by `{command}` on {machine}. With `--every n`, each n-th run.
"""


if __name__ == "__main__":
    main()
