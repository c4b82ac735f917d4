"""The command line, run in this process against a world."""

import sys

import pytest

from coupon_pipeline.cli import main
from tests.cli.commands import Command, Ran
from tests.world import World


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Runs `coupon-pipeline` with arguments."""
    monkeypatch.setenv("COLUMNS", "300")

    def run(*arguments: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["coupon-pipeline", *arguments])
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        shown = capfd.readouterr()
        return Ran(int(left.value.code or 0), shown.out, shown.err)

    return run


@pytest.fixture
def days(world: World) -> tuple[str, ...]:
    """The world's own day: its clock stands in 2026-11."""
    day = world.sandbox.clock.now().date().isoformat()
    return ("--from", day, "--to", day)
