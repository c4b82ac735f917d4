"""Runs in this process that can die: everything after the chosen point is as if it were killed.

A cut connection stands for the kill around a request. From then on the ledger takes no commit
and no request is tried again, so what is left on disk and in both services is what a killed
process leaves. Killing the real process proves that the two are alike, for a sample.
"""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from uuid import uuid4

from coupon_pipeline.assets.connection import Connection
from coupon_pipeline.assets.reporting import counted_stage
from coupon_pipeline.assets.resources import open_salesforce
from coupon_pipeline.assets.run import Run
from coupon_pipeline.assets.stages import STAGES
from coupon_pipeline.ledger import crash_points
from coupon_pipeline.salesforce import Pacing
from coupon_pipeline.salesforce import Timeouts as SalesforceTimeouts
from coupon_pipeline.sandbox.calls import ServiceName
from coupon_pipeline.sandbox.faults import FaultRule
from coupon_pipeline.settings import load_settings
from coupon_pipeline.stripe_api import StripeEdge
from coupon_pipeline.stripe_api.transport import Timeouts as StripeTimeouts
from tests.crashes.points import Event, Point, is_write
from tests.world import World

_SERVICES: tuple[ServiceName, ...] = ("salesforce", "stripe")


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the product may catch it."""


class Life:
    """A run that dies at a point, or that lives and tells what it did."""

    def __init__(
        self, world: World, point: Point | None = None, *, read_timeout: float | None = None
    ) -> None:
        """`read_timeout` in seconds is how long an answer is waited for; as usual unless given."""
        self._world = world
        self._seen: dict[ServiceName, int] = {}
        self._point = point
        self._read_timeout = read_timeout
        self._dead = threading.Event()
        self._commits = 0
        self.events: list[Event] = []

    def run(self) -> bool:
        """All stages. Whether it came to its end.

        Raises:
            SalesforceError, StripeEdgeError, LedgerError: as the stages.
        """
        with self._armed():
            try:
                self._stages()
            except Killed:
                return False
        return True

    def pause(self, _seconds: float) -> None:
        """What waiting is done with: no time is lost, and the dead do not try again."""
        self._die_if_dead()

    @contextmanager
    def _armed(self) -> Iterator[None]:
        sandbox, point = self._world.sandbox, self._point
        sandbox.faults.on_strike = self._strike
        number = None
        if point is not None and point.service is not None:
            rule = FaultRule(
                service=point.service,
                kind="cut_before" if point.moment == "before_request" else "cut_after",
                after=point.number - 1,
            )
            number = sandbox.faults.arm(rule)
        self._seen = {service: sandbox.calls.total(service) for service in _SERVICES}
        try:
            with crash_points.watch(self._commit):
                yield
        finally:
            self._note_calls()
            sandbox.faults.on_strike = None
            if number is not None:
                sandbox.faults.disarm(number)

    def _strike(self, _rule: FaultRule) -> None:
        if self._point is not None:
            self._dead.set()

    def _commit(self, moment: crash_points.Moment) -> None:
        self._die_if_dead()
        if moment == "before_commit":
            self._commits += 1
            self._note_calls()
        else:
            self.events.append(Event(None, self._commits, writes=False))
        point = self._point
        if point is not None and (point.moment, point.number) == (moment, self._commits):
            self._dead.set()
            self._die_if_dead()

    def _note_calls(self) -> None:
        for service in _SERVICES:
            for call in self._world.sandbox.calls.all(service)[self._seen[service] :]:
                self._seen[service] += 1
                number = sum(e.service == service for e in self.events) + 1
                self.events.append(Event(service, number, is_write(call.method, call.path)))

    def _die_if_dead(self) -> None:
        if self._dead.is_set():
            raise Killed

    def _stages(self) -> None:
        settings = load_settings()
        account = settings.stripe()
        patience = self._read_timeout
        run = Run(f"run-{uuid4().hex}", self._world.selection())
        both = Connection(
            settings,
            salesforce=open_salesforce(
                settings,
                pacing=Pacing(pause=self.pause),
                timeouts=None if patience is None else SalesforceTimeouts(read=patience),
            ),
            stripe=StripeEdge(
                account.api_key,
                base_url=account.api_base,
                pause=self.pause,
                timeouts=None if patience is None else StripeTimeouts(read=patience),
            ),
        )
        with closing(both) as at:
            for stage in STAGES:
                with counted_stage(run, at) as counted:
                    counted.report.stage = stage.name
                    counted.report = stage.make(run, at)
