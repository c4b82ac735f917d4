"""Replacing discounts by name from the command line."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from coupon_pipeline.cli import main
from coupon_pipeline.cli.stories import read_stories
from tests.world import World

Command = Callable[..., tuple[int, str]]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Runs `coupon-pipeline`; its status, and what it says on standard error."""

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["coupon-pipeline", *arguments])
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        return int(left.value.code or 0), capfd.readouterr().err

    return run


def test_it_is_planned_first_then_made_and_explained(world: World, tmp_path: Path) -> None:
    """The plan names the write and makes none; the story tells what was there before."""
    coupon = world.quote_coupon(Duration__c="forever", Name__c="Ten")
    order = world.order(coupons=[coupon])
    world.sync()
    mapping = tmp_path / "mapping.toml"
    mapping.write_text('[coupon]\nname = ""\n')
    world.setting("COUPON_PIPELINE_MAPPING", str(mapping))
    held = world.discount_ids(order.subscription_id)

    planned = world.plan(replace_attached=[coupon])
    assert world.discount_ids(order.subscription_id) == held
    done = world.sync(replace_attached=[coupon])
    (story,) = read_stories(world.ledger, order.order_id)

    assert planned.report.attachments["replaced"] == 1
    assert done.attachments["replaced"] == 1
    assert done.superseded == 0
    assert world.discount_ids(order.subscription_id) != held
    assert any(f"({held[0]}) made room for" in line for line in story.chapters[0].lines)
    (replaced,) = [event for event in story.timeline if event.what == "replacement"]
    assert replaced.details["old_discount_id"] == held[0]
    assert not [event for event in story.timeline if event.what == "changed_in_between"]


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("name", ["nonsense", "801000000000001AAA"])
@pytest.mark.parametrize("asked", ["sync", "plan"])
def test_a_name_that_nothing_was_granted_for_is_wrong_usage(
    command: Command, asked: str, name: str
) -> None:
    """A mistyped id must not look like a replacement that was not needed."""
    status, told = command(asked, "--replace-attached", name)

    assert status == 2
    assert name in told
