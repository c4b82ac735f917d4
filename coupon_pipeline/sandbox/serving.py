"""The sandbox: both services with their company, served until it is closed."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coupon_pipeline.sandbox.calls import CallLog, CallLogMiddleware, ServiceName
from coupon_pipeline.sandbox.clock import Clock
from coupon_pipeline.sandbox.company import fill
from coupon_pipeline.sandbox.control import control_app
from coupon_pipeline.sandbox.faults import FaultMiddleware, FaultPlan
from coupon_pipeline.sandbox.journal import Journal
from coupon_pipeline.sandbox.listening import Listener, LoopThread
from coupon_pipeline.sandbox.pages import salesforce_pages, stripe_pages
from coupon_pipeline.sandbox.salesforce import SalesforceService
from coupon_pipeline.sandbox.stripe import StripeService
from coupon_pipeline.sandbox.switches import Switches, positions, turn

T = TypeVar("T")

API_PATHS: dict[ServiceName, tuple[str, ...]] = {
    "stripe": ("/v1/", "/v2/"),
    "salesforce": ("/services/",),
}
STATE_TABLE = "sandbox"


@dataclass(frozen=True)
class Addresses:
    """Where the services are and with what one gets in. Nothing here opens anything real."""

    stripe_url: str
    stripe_api_key: str
    salesforce_url: str
    salesforce_access_token: str
    salesforce_namespace: str

    def environment(self) -> dict[str, str]:
        """The settings with which the pipeline works on this sandbox."""
        return {
            "SALESFORCE_INSTANCE_URL": self.salesforce_url,
            "SALESFORCE_ACCESS_TOKEN": self.salesforce_access_token,
            "SALESFORCE_NAMESPACE": self.salesforce_namespace,
            "STRIPE_API_KEY": self.stripe_api_key,
            "STRIPE_API_BASE": self.stripe_url,
        }


class Sandbox:
    """Salesforce and Stripe on loopback ports; a context manager.

    `orders` activated orders are made from `seed` unless `company` is false. With
    `state_file` everything is kept there, and what it holds already wins over the arguments
    that say how to make the company and the org.
    """

    def __init__(
        self,
        *,
        orders: int = 200,
        seed: int = 7,
        company: bool = True,
        namespace: str = "stripeConnector",
        multi_currency: bool = True,
        clock: Clock | None = None,
        switches: Switches | None = None,
        state_file: Path | None = None,
        stripe_port: int = 0,
        salesforce_port: int = 0,
        record_calls: bool = True,
    ) -> None:
        self.clock = clock or Clock()
        self.switches = switches or Switches()
        self.journal = Journal(state_file)
        made = self._recall()
        self.seed = int(made.get("seed", seed))
        self.namespace = str(made.get("namespace", namespace))
        self.multi_currency = bool(made.get("multi_currency", multi_currency))
        self.faults = FaultPlan(seed=self.seed)
        self.calls = CallLog(keep=record_calls)
        self._listeners: dict[str, Listener] = {}
        for name, port in (("stripe", stripe_port), ("salesforce", salesforce_port)):
            # links from one service to the other hold the port of the earlier run
            preferred = int(made.get(f"{name}_port", 0))
            self._listeners[name] = Listener(port, preferred=preferred)
        self.stripe = StripeService(self.clock, self.switches, self.journal, self.seed)
        self.salesforce = SalesforceService(
            self.clock,
            self.switches,
            self.journal,
            self.seed,
            namespace=self.namespace,
            multi_currency=self.multi_currency,
            instance_url=self._listeners["salesforce"].url,
        )
        if not made and company:
            fill(self, orders, self.seed)
        self._thread: LoopThread | None = None
        self.faults.refuse = self._refuse
        self._refusing: dict[ServiceName, asyncio.Task[None]] = {}
        self._apps: dict[str, ASGIApp] = {
            "stripe": self._front("stripe"),
            "salesforce": self._front("salesforce"),
        }
        self.clock.on_advance(lambda _before, _after: self.remember())
        self.remember()
        self.journal.flush()

    def _recall(self) -> dict[str, str | int]:
        state = self.journal.load(STATE_TABLE)
        clock, switches, made = state.get("clock"), state.get("switches"), state.get("made")
        if isinstance(clock, dict):
            self.clock.recall(
                datetime.fromisoformat(str(clock["standing"])),
                timedelta(seconds=float(str(clock["offset_seconds"]))),
            )
        if isinstance(switches, dict):
            kept = {name: str(value) for name, value in switches.items()}
            turn(self.switches, kept | _turned(self.switches))
        if not isinstance(made, dict):
            return {}
        return {key: value for key, value in made.items() if isinstance(value, str | int)}

    def remember(self) -> None:
        """Put what the sandbox itself has to know after a restart into the journal."""
        memory = self.clock.memory()
        self.journal.put(STATE_TABLE, "clock", {key: memory[key] for key in memory})
        turned = positions(self.switches)
        self.journal.put(STATE_TABLE, "switches", {name: turned[name] for name in turned})
        self.journal.put(
            STATE_TABLE,
            "made",
            {
                "seed": self.seed,
                "namespace": self.namespace,
                "multi_currency": self.multi_currency,
                **{f"{name}_port": listener.port for name, listener in self._listeners.items()},
            },
        )

    def _front(self, name: ServiceName) -> ASGIApp:
        service = self.stripe if name == "stripe" else self.salesforce
        pages = stripe_pages(self) if name == "stripe" else salesforce_pages(self)
        faulty = FaultMiddleware(
            self._kept(service.app),
            service=name,
            plan=self.faults,
            fault_response=service.fault_response,
        )
        return _Front(
            CallLogMiddleware(faulty, service=name, log=self.calls),
            control=self._kept(control_app(self)),
            pages=self._kept(pages),
            api_paths=API_PATHS[name],
        )

    def _kept(self, app: ASGIApp) -> ASGIApp:
        return _Flush(app, self.journal) if self.journal.keeps else app

    @property
    def addresses(self) -> Addresses:
        """Where to reach the services; the ports are known before they are open."""
        return Addresses(
            stripe_url=self._listeners["stripe"].url,
            stripe_api_key=self.stripe.api_key,
            salesforce_url=self._listeners["salesforce"].url,
            salesforce_access_token=self.salesforce.access_token,
            salesforce_namespace=self.namespace,
        )

    def tell_time(self, service: ServiceName, *, seconds_ahead: int) -> None:
        """Let a service date its answers as if this machine's clock were wrong."""
        self._listeners[service].seconds_ahead = seconds_ahead

    def start(self) -> Self:
        """Open both ports; when this returns, both answer."""
        self._thread = LoopThread()
        for name, listener in self._listeners.items():
            self._thread.complete(listener.open(self._apps[name]))
        return self

    def stop(self) -> None:
        """Close both ports, end the thread, let go of the state file."""
        if self._thread is not None:
            self._thread.complete(self._end_refusals())
        for listener in self._listeners.values():
            if self._thread is None:
                listener.abandon()
            else:
                self._thread.complete(listener.close())
        if self._thread is not None:
            self._thread.stop()
            self._thread = None
        self.journal.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def run_on_loop(self, function: Callable[[], T]) -> T:
        """Touch the services' state between two requests, never during one."""
        return function() if self._thread is None else self._thread.call(function)

    def advance_to(self, moment: str) -> None:
        """Move the clock to an ISO moment, UTC unless it names a zone."""
        to = datetime.fromisoformat(moment)
        self.clock.set(to if to.tzinfo is not None else to.replace(tzinfo=UTC))

    def _refuse(self, name: ServiceName, milliseconds: int) -> None:
        """Take a service off its port and bring it back later; called on the loop."""
        if name not in self._refusing:
            refusal = asyncio.get_running_loop().create_task(self._away(name, milliseconds))
            self._refusing[name] = refusal

    async def _away(self, name: ServiceName, milliseconds: int) -> None:
        listener = self._listeners[name]
        await listener.close()
        try:
            await asyncio.sleep(milliseconds / 1000)
            await listener.reopen(self._apps[name])
        finally:
            del self._refusing[name]

    def wait_until_back(self, name: ServiceName) -> None:
        """Return once a service that a fault took off its port is on it again."""
        if self._thread is None:
            raise RuntimeError("The sandbox is not being served.")
        self._thread.complete(self._back(name))

    async def _back(self, name: ServiceName) -> None:
        if name in self._refusing:
            await asyncio.wait([self._refusing[name]])

    async def _end_refusals(self) -> None:
        refusals = list(self._refusing.values())
        for refusal in refusals:
            refusal.cancel()
        await asyncio.gather(*refusals, return_exceptions=True)

    @contextlib.contextmanager
    def down(self, name: ServiceName) -> Iterator[None]:
        """Refuse connections to one service for a while, as when it is down."""
        if self._thread is None:
            raise RuntimeError("The sandbox is not being served.")
        listener = self._listeners[name]
        self._thread.complete(listener.close())
        try:
            yield
        finally:
            self._thread.complete(listener.reopen(self._apps[name]))


class _Front:
    """Sends a request to the service, or to what the sandbox has beside it."""

    def __init__(
        self, service: ASGIApp, *, control: ASGIApp, pages: ASGIApp, api_paths: tuple[str, ...]
    ) -> None:
        self._service = service
        self._control = control
        self._pages = pages
        self._api_paths = api_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path.startswith(self._api_paths):
            await self._service(scope, receive, send)
        elif path.startswith("/_sandbox/"):
            await self._control(scope, receive, send)
        else:
            await self._pages(scope, receive, send)


class _Flush:
    """Commits what a request changed before its answer leaves."""

    def __init__(self, app: ASGIApp, journal: Journal) -> None:
        self._app = app
        self._journal = journal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def commit_first(message: Message) -> None:
            self._journal.flush()
            await send(message)

        await self._app(scope, receive, commit_first)
        self._journal.flush()


def _turned(switches: Switches) -> dict[str, str]:
    default = positions(Switches())
    return {name: value for name, value in positions(switches).items() if value != default[name]}
