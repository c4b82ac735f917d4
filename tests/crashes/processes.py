"""The real program in a process of its own, killed with SIGKILL at a chosen point.

The processes are forked from one that has imported the program and done nothing else: a crash
matrix has a thousand of them, and most of the time of a short run is importing.
"""

import multiprocessing
import os
import queue
import signal
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess

from coupon_pipeline.cli import run
from coupon_pipeline.ledger import crash_points
from coupon_pipeline.sandbox.faults import FaultRule
from tests.crashes.points import Point
from tests.world import World

PATIENCE_SECONDS = 120
_PROGRAMS = multiprocessing.get_context("forkserver")
_PROGRAMS.set_forkserver_preload(
    ["coupon_pipeline.cli.sync", "coupon_pipeline.cli.running", "dagster._core.storage.event_log"]
)


def sync_and_kill(world: World, point: Point | None) -> int:
    """`coupon-pipeline sync`, killed at the point; its exit status, -9 when it was killed."""
    sandbox, selection = world.sandbox, world.selection()
    environment = dict(os.environ)
    number = None
    if point is not None and point.service is not None:
        rule = FaultRule(
            service=point.service,
            kind="hold_before" if point.moment == "before_request" else "hold_after",
            after=point.number - 1,
        )
        number = sandbox.faults.arm(rule)
    elif point is not None:
        environment[crash_points.VARIABLE] = f"{point.moment}:{point.number}"
    days = ("--from", selection.first_day.isoformat(), "--to", selection.last_day.isoformat())
    process = _PROGRAMS.Process(target=_program, args=(("sync", *days, "--json"), environment))
    process.start()
    try:
        if number is not None:
            _kill_when_held(world, process)
        process.join(PATIENCE_SECONDS)
        if process.exitcode is None:
            raise TimeoutError(f"The program did not end within {PATIENCE_SECONDS} seconds.")
        return process.exitcode
    finally:
        process.kill()
        if number is not None:
            sandbox.faults.disarm(number)


def _program(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """What `coupon-pipeline` does, with nothing shown."""
    os.environ.clear()
    os.environ.update(environment)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())
    sys.argv = ["coupon-pipeline", *arguments]
    run()


def _kill_when_held(world: World, process: BaseProcess) -> None:
    """Wait until the sandbox holds the request, or the process ends without making it."""
    for _ in range(PATIENCE_SECONDS * 10):
        try:
            world.sandbox.faults.held.get(timeout=0.1)
        except queue.Empty:
            if not process.is_alive():
                return
        else:
            process.kill()
            return


def kill_process(world: World, point: Point) -> bool:
    """Kill the real program at the point; whether it came there."""
    return sync_and_kill(world, point) == -signal.SIGKILL
