"""Breaks each money rule once and sees that a test turns red: `python -m tests.mutations`.

Not part of the suite: it takes minutes. Works in a temporary copy of the tree, says what survived,
and writes `docs/mutation-check.md`. With `--only TEXT` it takes the rules that contain the text and
writes nothing.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

import click

Outcome: TypeAlias = Literal["red", "survived", "unusable"]

ROOT: Final = Path(__file__).parents[2]
RULES: Final = Path(__file__).with_name("rules.toml")
REPORT: Final = ROOT / "docs" / "mutation-check.md"
COPIED: Final = ("coupon_pipeline", "tests", "docs", "pyproject.toml", "README.md")
LIMIT_SECONDS: Final = 300
TESTS_FAILED: Final = 1


@dataclass(frozen=True)
class Mutation:
    """One rule, the edit that breaks it, and the tests that guard it."""

    rule: str
    file: str
    edits: tuple[tuple[str, str], ...]
    tests: tuple[str, ...]

    def broken(self, text: str) -> str:
        """The file's text with the rule broken; ValueError where an edit does not fit."""
        for old, new in self.edits:
            if text.count(old) != 1:
                raise ValueError(f"{self.file} holds {text.count(old)} times: {old!r}")
            text = text.replace(old, new)
        return text


@dataclass(frozen=True)
class Result:
    """What the tests said to one mutation."""

    mutation: Mutation
    outcome: Outcome
    detail: str
    """The test that failed, or what went wrong."""


def main() -> int:
    """Check all rules; 0 when every one of them is guarded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="rules that contain this text")
    only: str = parser.parse_args().only
    mutations = [one for one in read() if only.lower() in one.rule.lower()]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder:
        tree = Path(folder)
        copy_tree(tree)
        tests = sorted({test for one in mutations for test in one.tests})
        code, said = run_tests(tree, tests)
        if code:
            click.echo(f"Red before anything is broken:\n{said}", err=True)
            return 1
        results = [check(tree, one) for one in mutations]
    if not only:
        REPORT.write_text(report(results, time.monotonic() - began), encoding="utf-8")
    return 0 if all(one.outcome == "red" for one in results) else 1


def read() -> list[Mutation]:
    """The mutations of the data file."""
    rows = tomllib.loads(RULES.read_text("utf-8"))["mutation"]
    return [
        Mutation(
            row["rule"],
            row["file"],
            ((row["old"], row["new"]), *((old, new) for old, new in row.get("also", []))),
            tuple(row["tests"]),
        )
        for row in rows
    ]


def copy_tree(to: Path) -> None:
    """A tree of its own, so that nobody who works meanwhile sees a broken rule."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, to / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, to / name)


def check(tree: Path, mutation: Mutation) -> Result:
    """Break the rule, run its tests, mend it."""
    file = tree / mutation.file
    whole = file.read_text("utf-8")
    try:
        file.write_text(mutation.broken(whole), encoding="utf-8")
        code, said = run_tests(tree, mutation.tests)
    except ValueError as error:
        code, said = -1, str(error)
    finally:
        file.write_text(whole, encoding="utf-8")
    outcome: Outcome = "survived" if code == 0 else "red" if code == TESTS_FAILED else "unusable"
    failed = next((line for line in said.splitlines() if line.startswith("FAILED ")), "")
    detail = failed.removeprefix("FAILED ").partition(" - ")[0] or said[-300:].strip()
    result = Result(mutation, outcome, detail if outcome != "survived" else "")
    click.echo(f"{outcome:9} {mutation.rule}" + (f"\n          {result.detail}"))
    return result


def run_tests(tree: Path, tests: Sequence[str]) -> tuple[int, str]:
    """The exit code of pytest and its output; the first failure ends it."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-p", "no:randomly"]
    command += ["-p", "no:cacheprovider", *tests]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(tree)}
    try:
        # the interpreter that runs this, on files of this tree
        done = subprocess.run(
            command,
            cwd=tree,
            env=environment,
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return TESTS_FAILED, "FAILED the tests did not end"
    return done.returncode, done.stdout


def report(results: Sequence[Result], seconds: float) -> str:
    """The page in `docs/`."""
    red = sum(one.outcome == "red" for one in results)
    circumstances = f"{seconds:.0f} s, Python {platform.python_version()}"
    lines = [
        "# Does a broken money rule turn a test red?",
        "",
        "Each rule below was broken by one small edit of the source, in a copy of the tree, and",
        "the tests that guard it were run (`python -m tests.mutations`; the edits are in",
        "`tests/mutations/rules.toml`). This page is what the last run wrote.",
        "",
        f"**{red} of {len(results)} turned a test red** ({circumstances}).",
        "",
        "| rule | where | outcome | first test that failed |",
        "|---|---|---|---|",
    ]
    for one in results:
        test = one.detail.partition("::")[2] or one.detail.replace("\n", " ")
        where = one.mutation.file.removeprefix("coupon_pipeline/")
        name = test.partition("[")[0]
        lines.append(f"| {one.mutation.rule} | `{where}` | {one.outcome} | `{name}` |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
