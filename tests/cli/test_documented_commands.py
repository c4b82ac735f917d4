"""Every command that README and docs name is run, as it is written there.

A line of a code block that is no picture, no TOML and no Python is a command, and so is each code
span that begins with a program, or with a command of the command line and something after it.
"""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import click
import dagster as dg
import pytest

from coupon_pipeline.cli.main import CHANGES_TO_MAKE, DONE, SOME_BLOCKED, commands
from coupon_pipeline.sandbox.clock import Clock
from coupon_pipeline.sandbox.serving import Sandbox
from tests.cli.commands import Command, Ran
from tests.world import World

ROOT = Path(__file__).parents[2]
OURS = "coupon-pipeline"
PROGRAMS = frozenset(
    [
        "apt-get",
        "coupon-pipeline",
        "dagster",
        "dagster-celery",
        "dagster-daemon",
        "dagster-webserver",
        "git",
        "make",
        "pip",
        "pip-audit",
        "python",
        "sf",
        "sudo",
        "uv",
    ]
)
BLOCKS = re.compile(
    r"^```(?P<language>\w*)\n(?P<fenced>(?:.*\n)*?)```$|(?P<indented>(?:^ {4}.*\n|^\n(?= {4}))+)",
    re.MULTILINE,
)
SPANS = re.compile(r"`([^`]+)`")

_SCALED = "needs Postgres, Redis and workers, as that page sets them up"
NOT_RUN = {
    "apt-get": "changes the machine",
    "dagster dev": "serves pages until it is stopped; `make browser` looks at them",
    "dagster instance": _SCALED,
    "dagster-celery": _SCALED,
    "dagster-daemon": _SCALED,
    "dagster-webserver": _SCALED,
    "make": "makes an environment in the clone; with --dry-run here, so that the target is there",
    "git tag": "changes the clone",
    "pip install": "needs the network",
    "python -m coupon_pipeline.cli.documents": "writes pages that another test holds it to",
    "python -m pip": "needs the network",
    "python -m tests.benchmarks": "measures for minutes and writes the page that names it",
    "python -m tests.crashes.faults": "runs for an hour and writes the page that names it",
    "python -m tests.crashes.matrix": "runs for an hour and writes the page that names it",
    "python -m tests.mutations": "runs for an hour and writes the page that names it",
    "python tests/benchmarks/sandbox.py": "measures for a minute on a machine that is not busy",
    "sf": "Salesforce's own tool, which wants an org",
    "sudo": "changes the machine",
}
TELLS_CHANGES = frozenset({"plan", "repair"})
OTHERS = "all other pages"


@dataclass(frozen=True)
class Documented:
    """A command as it stands on a page."""

    page: str
    text: str

    @property
    def words(self) -> tuple[str, ...]:
        """The program without its folder, and what is given to it."""
        first, *rest = shlex.split(self.text, comments=True)
        return (first.removeprefix(".venv/bin/"), *rest)

    @property
    def listed(self) -> str | None:
        """The beginning under which it is listed as one that is not run; its help is."""
        if self.words[-1] == "--help":
            return None
        words = " ".join(self.words)
        return next((key for key in NOT_RUN if f"{words} ".startswith(f"{key} ")), None)


def _documented() -> list[Documented]:
    """Each command once, in the order of the pages."""
    found: dict[tuple[str, ...], Documented] = {}
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for text in _commands_of(page.read_text(encoding="utf-8")):
            each = Documented(page.name, text)
            found.setdefault(each.words, each)
    return list(found.values())


def _commands_of(text: str) -> Iterator[str]:
    found = {
        block.start(): [line.strip() for line in _text(block).splitlines() if line.strip()]
        for block in BLOCKS.finditer(text)
        if not _is_of_another_kind(block)
    }
    for span in SPANS.finditer(BLOCKS.sub(lambda block: " " * len(block[0]), text)):
        first, *rest = words = span[1].split()
        if rest and first.removeprefix(".venv/bin/") in PROGRAMS:
            found[span.start()] = [" ".join(words)]
        elif rest and first in commands.list_commands(click.Context(commands)):
            found[span.start()] = [" ".join([OURS, *words])]
    for at in sorted(found):
        yield from found[at]


def _text(block: re.Match[str]) -> str:
    return str(block["fenced"] or block["indented"])


def _is_of_another_kind(block: re.Match[str]) -> bool:
    """Not commands: pictures, variables, and examples in a language, held to it by other tests."""
    text = dedent(_text(block)).strip("\n")
    variables = [re.fullmatch(r"[A-Z_]+=\S+", line) for line in text.splitlines()]
    if block["language"] == "python" or "──" in text or all(variables):
        return True
    try:
        return bool(tomllib.loads(text)) or text.startswith("#:schema")
    except tomllib.TOMLDecodeError:
        return re.match(r"[a-z_]+:(\s|$)", text) is not None  # YAML


def test_what_is_not_run_is_on_a_page() -> None:
    """The list is as short as it can be, and every line of a block is a command of a program."""
    found = _documented()

    assert [each for each in found if each.words[0] not in PROGRAMS] == []
    assert {each.listed for each in found} - {None} == set(NOT_RUN)


@pytest.mark.parametrize(
    "target", sorted({each.words[1] for each in _documented() if each.words[0] == "make"})
)
def test_what_is_made_can_be_made(target: str) -> None:
    """Nothing is made: make tells what it would do."""
    assert _run("make", "--dry-run", target).status == 0


@pytest.fixture
def world_of_today(
    tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """At the real time: most commands are about all days until today, and each day costs."""
    with Sandbox(company=False, clock=Clock(frozen=True)) as sandbox:
        yield World(sandbox, tmp_path, instance, monkeypatch)


@pytest.mark.parametrize("page", ["README.md", "operations.md", OTHERS])
def test_every_command_on_a_page_does_what_the_page_says(
    page: str,
    world_of_today: World,
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """None is refused as wrong usage, stops, or ends in a status that is not documented for it."""
    world = world_of_today
    coupon = world.quote_coupon(Duration__c="forever")
    signed, other = (world.order(coupons=[coupon]) for _ in range(2))
    blocked = world.order(coupons=[world.bad_quote_coupon()])
    assert command("sync").status == SOME_BLOCKED
    head = command("verify", "--json").document["evidence"]
    assert isinstance(head, dict)
    filled = {
        "ID": signed.order_id,
        "DAY": world.sandbox.clock.now().date().isoformat(),
        "HASH": str(head["hash"]),
        "FILE": "saved",
        "{order_id}": signed.order_id,
        "{name}": coupon,
        "{other_order_id}": other.order_id,
        "...": blocked.order_id,
    }
    _connect(tmp_path / "connections.toml")

    wrong, run = [], 0
    for each in _documented():
        its_page = each.page if each.page in {"README.md", "operations.md"} else OTHERS
        if its_page != page or each.listed is not None:
            continue
        program, *arguments = (filled.get(word, word) for word in each.words)
        if program != OURS:
            ran = _run(sys.executable if program == "python" else program, *arguments)
        elif arguments[0] == "sandbox":  # serves until it is stopped, or what it was given ends
            ran = _run(sys.executable, "-m", "coupon_pipeline.cli", *arguments, "--", "true")
        else:
            with monkeypatch.context() as here:
                if "--connection" in arguments:
                    here.setenv("COUPON_PIPELINE_CONNECTIONS", "connections.toml")
                    here.setenv("COUPON_PIPELINE_CONNECTION", "")
                if _saves(arguments):
                    world.order(coupons=[coupon])  # so that there is something to save
                ran = command(*arguments)
        if ran.status not in _statuses(program, arguments) or not ran.out:
            wrong.append(f"{each.page}: {each.text}: {ran.status} {ran.out}{ran.err}")
        run += 1
    assert wrong == []
    assert run > 0


def _saves(arguments: list[str]) -> bool:
    return arguments[0] in TELLS_CHANGES and "--out" in arguments


def _statuses(program: str, arguments: list[str]) -> set[int]:
    """What README documents: 3 where records are blocked, 4 where there are changes to make."""
    if program != OURS or arguments[0] == "explain":
        return {DONE}
    if _saves(arguments):
        return {CHANGES_TO_MAKE}
    tells = {CHANGES_TO_MAKE} if arguments[0] in TELLS_CHANGES else set[int]()
    return {DONE, SOME_BLOCKED} | tells


def _connect(file: Path) -> None:
    """The world's two accounts as the connection that the page has in its example."""
    names = ("SALESFORCE_INSTANCE_URL", "STRIPE_API_BASE")
    secrets = ("SALESFORCE_ACCESS_TOKEN", "STRIPE_API_KEY")
    lines = [f'{name} = "{os.environ[name]}"' for name in names]
    lines += [f'{name} = "env:{name}"' for name in secrets]
    file.write_text("\n".join(["[acme]", *lines, ""]), encoding="utf-8")


def _run(*words: str) -> Ran:
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    return Ran(done.returncode, done.stdout, done.stderr)
