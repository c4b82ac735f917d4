"""The real program in a process of its own, killed with SIGKILL at a chosen point."""

import os
import queue
import signal
import subprocess
import sys
from pathlib import Path

from coupon_pipeline.ledger import crash_points
from coupon_pipeline.sandbox.faults import FaultRule
from tests.crashes.points import Point
from tests.world import World

PATIENCE_SECONDS = 120


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
    program = Path(sys.executable).with_name("coupon-pipeline")
    days = ("--from", selection.first_day.isoformat(), "--to", selection.last_day.isoformat())
    with subprocess.Popen(
        [str(program), "sync", *days, "--json"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            if number is not None:
                _kill_when_held(world, process)
            return process.wait(PATIENCE_SECONDS)
        finally:
            process.kill()
            if number is not None:
                sandbox.faults.disarm(number)


def _kill_when_held(world: World, process: "subprocess.Popen[bytes]") -> None:
    """Wait until the sandbox holds the request, or the process ends without making it."""
    for _ in range(PATIENCE_SECONDS * 10):
        try:
            world.sandbox.faults.held.get(timeout=0.1)
        except queue.Empty:
            if process.poll() is not None:
                return
        else:
            process.send_signal(signal.SIGKILL)
            return


def kill_process(world: World, point: Point) -> bool:
    """Kill the real program at the point; whether it came there."""
    return sync_and_kill(world, point) == -signal.SIGKILL
