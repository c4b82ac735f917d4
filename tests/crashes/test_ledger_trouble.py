"""A ledger that cannot be used: a sentence with a remedy, and nothing lost."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from coupon_pipeline.assets import run
from coupon_pipeline.ledger import LedgerError, connection
from coupon_pipeline.ledger.verification import inspect
from coupon_pipeline.sandbox.faults import FaultRule
from tests.crashes.in_process import Life
from tests.crashes.scenarios import SCENARIOS
from tests.crashes.states import differences, read_both
from tests.crashes.trials import staged, undisturbed

SCENARIO = SCENARIOS["a coupon used by an earlier order"]
HOLDER = """
import sys, duckdb
held = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """As a full disk: what is written beyond it is refused."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_ends_the_run_and_the_next_one_completes_it(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """Nothing leaves before its intent is on disk, so nothing is lost with the disk full."""
    plain = undisturbed(SCENARIO, "at once", tmp_path, instance)
    with staged(SCENARIO, tmp_path, instance) as world:
        with no_file_larger_than(1000), pytest.raises(LedgerError) as caught:
            Life(world).run()
        assert caught.value.code == "ledger.unwritable"
        assert caught.value.fix

        assert Life(world).run()
        assert differences(plain.state, read_both(world), spent=False).by_kind == {}


def test_a_ledger_that_somebody_holds_open_is_busy_and_nothing_is_sent(
    tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A notebook that was left open must not keep a run hanging for ever."""
    monkeypatch.setattr(connection, "PATIENCE_SECONDS", 0.0)
    with (
        staged(SCENARIO, tmp_path, instance) as world,
        subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(world.db)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as holder,
    ):
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        before = read_both(world)
        with pytest.raises(LedgerError) as caught:
            Life(world).run()
        holder.communicate()
        assert caught.value.code == "ledger.busy"
        assert read_both(world) == before


@pytest.mark.parametrize("content", [b"no database", b"\0" * 8192])
def test_a_corrupt_ledger_is_named_and_nothing_is_sent(
    tmp_path: Path, instance: dg.DagsterInstance, content: bytes
) -> None:
    """A run on half a memory would be a guess."""
    with staged(SCENARIO, tmp_path, instance) as world:
        before = read_both(world)
        world.db.write_bytes(content)
        with pytest.raises(LedgerError) as caught:
            Life(world).run()
        assert caught.value.code == "ledger.unreadable"
        assert caught.value.fix
        assert read_both(world) == before


@pytest.mark.parametrize("place", ["no_folder/ledger.duckdb", "ledger.duckdb", "a" * 300])
def test_a_place_where_no_ledger_can_be_is_named_and_nothing_is_sent(
    tmp_path: Path, instance: dg.DagsterInstance, place: str
) -> None:
    """A disk that was mounted to be read only, or a folder of somebody else's."""
    with staged(SCENARIOS["a once coupon on an order"], tmp_path, instance) as world:
        (tmp_path / "no_folder").write_text("a file", encoding="utf-8")
        Path(f"{world.db}.lock").mkdir()
        world.setting("COUPON_PIPELINE_DB", str(tmp_path / place))
        before = read_both(world)

        with pytest.raises(LedgerError) as caught:
            Life(world).run()

        assert caught.value.code == "ledger.unwritable"
        assert "COUPON_PIPELINE_DB" in caught.value.fix
        assert read_both(world) == before
        Path(f"{world.db}.lock").rmdir()


def test_a_file_that_was_only_just_made_is_as_good_as_none(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """A kill between making the file and writing to it must not need a person."""
    with staged(SCENARIOS["a once coupon on an order"], tmp_path, instance) as world:
        world.db.write_bytes(b"")

        assert Life(world).run()


def test_a_damaged_block_is_named_with_its_remedy(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """A disk that loses bits must not decide who gets a discount."""
    with staged(SCENARIO, tmp_path, instance) as world:
        content = bytearray(world.db.read_bytes())
        content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
        world.db.write_bytes(content)

        with pytest.raises(LedgerError) as caught, world.ledger.reading() as tx:
            inspect(tx)

        assert caught.value.code in {"ledger.corrupt", "ledger.unreadable"}
        assert "rebuild-ledger" in caught.value.fix


def put_the_clock(patch: pytest.MonkeyPatch, by: timedelta) -> None:
    """This machine's clock goes wrong; Salesforce's and Stripe's do not."""
    for name, module in list(sys.modules.items()):
        if name.startswith("coupon_pipeline.assets.") and getattr(module, "now", None) is not None:
            patch.setattr(module, "now", lambda: datetime.now(UTC) + by)


@pytest.mark.parametrize("days", [-400, 400])
def test_a_clock_that_jumps_between_runs_changes_nothing(
    tmp_path: Path, instance: dg.DagsterInstance, days: int
) -> None:
    """Nothing granted twice, nothing written again, and evidence in the order of the writes."""
    scenario = SCENARIOS["a coupon edited between two orders"]
    plain = undisturbed(scenario, "at once", tmp_path, instance)
    with staged(scenario, tmp_path, instance) as world:
        with pytest.MonkeyPatch.context() as patch:
            put_the_clock(patch, timedelta(days=days))
            assert abs(run.now() - datetime.now(UTC)) > timedelta(days=399)
            assert Life(world).run()
        assert differences(plain.state, read_both(world), spent=False).by_kind == {}

        again = Life(world)
        assert again.run()

        assert not any(event.writes for event in again.events)
        with world.ledger.reading() as tx:
            assert inspect(tx).discrepancies == ()


@pytest.mark.slow
def test_of_two_programs_at_once_one_waits_and_nothing_is_done_twice(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """A schedule and a person may start in the same minute, and the first is amid a write."""
    scenario = SCENARIOS["a once coupon on an order"]
    plain = undisturbed(scenario, "at once", tmp_path, instance)
    with staged(scenario, tmp_path, instance) as world:
        world.sandbox.faults.arm(
            FaultRule(service="stripe", kind="slow", method="POST", milliseconds=3000)
        )
        day = world.selection().first_day.isoformat()
        program = Path(sys.executable).with_name("coupon-pipeline")
        command = [str(program), "sync", "--from", day, "--to", day, "--json"]
        both = [
            subprocess.Popen(command, env=dict(os.environ), stdout=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        reports = [process.communicate(timeout=180)[0] for process in both]

        assert [process.returncode for process in both] == [0, 0], reports
        assert differences(plain.state, read_both(world), spent=False).by_kind == {}
        posts = [call for call in world.sandbox.calls.all("stripe") if call.method == "POST"]
        assert len(posts) == 2
