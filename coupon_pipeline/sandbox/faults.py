"""What goes wrong on request: which request, and how. The same seed, the same faults."""

import asyncio
import queue
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coupon_pipeline.sandbox.calls import CALL_STATE, ServiceName

TRANSPORT_KINDS: Final = {
    "refused": "nothing is done, and connections are refused for the rule's milliseconds",
    "cut_before": "the connection is closed and nothing was done",
    "cut_after": "the work is done, then the connection is closed without an answer",
    "slow": "the work is done, then the answer waits for the rule's milliseconds",
    "truncated": "the work is done and half of the answer's body arrives",
    "error_after": "the work is done, then the answer is the service's 500",
    "hold_before": "nothing is done and no answer comes until the client goes away",
    "hold_after": "the work is done and no answer comes until the client goes away",
}
ANSWER_KINDS: Final[dict[ServiceName, dict[str, str]]] = {
    "stripe": {
        "rate_limit": "429 without a reason",
        "rate_limit:global-rate": "429, the account's requests per second",
        "rate_limit:global-concurrency": "429, the account's requests at a time",
        "rate_limit:endpoint-rate": "429, the endpoint's requests per second",
        "rate_limit:endpoint-concurrency": "429, the endpoint's requests at a time",
        "rate_limit:resource-specific": "429, a limit of the one object",
        "lock_timeout": "429, another request holds the object",
        "lock_timeout:retry": "the same with Stripe-Should-Retry: true",
        "conflict": "409, another request holds the same idempotency key",
        "server_error": "500",
        "unavailable": "503",
    },
    "salesforce": {
        "session_expired": "401 INVALID_SESSION_ID",
        "request_limit": "403 REQUEST_LIMIT_EXCEEDED",
        "row_locked": "400 UNABLE_TO_LOCK_ROW",
        "server_error": "500",
        "maintenance": "503 with an HTML page",
    },
}
SERVER_ERROR: Final = 500
TRANSPORT_EXTENSION: Final = "sandbox.transport"


@dataclass(frozen=True, kw_only=True)
class FaultRule:
    """Requests of one service that fit, from the `after`-th fitting one on, `times` times.

    `path` is a regular expression searched in the path, query string included. `times` None
    is for ever. `probability` is drawn from the plan's seed for each fitting request.
    """

    service: ServiceName
    kind: str
    method: str | None = None
    path: str | None = None
    after: int = 0
    times: int | None = 1
    probability: float = 1.0
    milliseconds: int = 1000

    def __post_init__(self) -> None:
        kinds = [*TRANSPORT_KINDS, *ANSWER_KINDS[self.service]]
        if self.kind not in kinds:
            raise ValueError(f"{self.service} has no fault {self.kind!r}; it has {kinds}.")
        for name in ("after", "times", "milliseconds"):
            count = getattr(self, name)
            unlimited = name == "times" and count is None
            if not unlimited and (type(count) is not int or count < 0):
                raise ValueError(f"{name} is a whole number, 0 or more, not {count!r}.")
        if type(self.probability) not in {int, float} or not 0 <= self.probability <= 1:
            raise ValueError(f"probability lies between 0 and 1: {self.probability!r}.")
        for name in ("method", "path"):
            if not isinstance(getattr(self, name), str | None):
                raise ValueError(f"{name} is a text.")  # noqa: TRY004 - one error for a bad rule
        if self.path is not None:
            try:
                re.compile(self.path)
            except re.error as error:
                raise ValueError(f"path is a regular expression: {error}.") from error

    def fits(self, service: ServiceName, method: str, path: str) -> bool:
        """Whether the rule is about this request at all."""
        return (
            service == self.service
            and self.method in (None, method)
            and (self.path is None or re.search(self.path, path) is not None)
        )


@dataclass
class _Armed:
    rule: FaultRule
    draw: random.Random
    fitting: int = 0
    applied: int = 0

    def strikes(self) -> bool:
        self.fitting += 1
        drawn = self.draw.random()
        if self.fitting <= self.rule.after or drawn >= self.rule.probability:
            return False
        if self.rule.times is not None and self.applied >= self.rule.times:
            return False
        self.applied += 1
        return True


@dataclass
class FaultPlan:
    """The armed rules, in order; the first that strikes wins. Latencies are in milliseconds."""

    seed: int = 7
    latency: dict[ServiceName, int] = field(default_factory=dict)
    on_strike: Callable[[FaultRule], None] | None = None
    """Told of each fault before it does anything."""
    refuse: Callable[[ServiceName, int], None] | None = None
    """Takes a service off its port for so many milliseconds; whoever serves it sets this."""
    held: "queue.SimpleQueue[FaultRule]" = field(default_factory=queue.SimpleQueue)
    """Rules whose request is being held now: whoever waits for one can kill its client."""
    _armed: dict[int, _Armed] = field(default_factory=dict)
    _last: int = 0

    def arm(self, rule: FaultRule) -> int:
        """Add a rule and return its number."""
        self._last += 1
        draw = random.Random(f"{self.seed}/{self._last}")  # noqa: S311 - reproducible on purpose
        self._armed[self._last] = _Armed(rule, draw)
        return self._last

    def disarm(self, number: int | None = None) -> None:
        """Remove one rule, or all rules and latencies."""
        if number is None:
            self._armed.clear()
            self.latency.clear()
        else:
            self._armed.pop(number, None)

    def rules(self) -> list[tuple[int, FaultRule, int]]:
        """Number, rule, and how often it has struck."""
        return [(number, armed.rule, armed.applied) for number, armed in self._armed.items()]

    def choose(self, service: ServiceName, method: str, path: str) -> FaultRule | None:
        """The fault for this request, if any; counts the request for each rule that it fits."""
        chosen: FaultRule | None = None
        for armed in self._armed.values():
            if armed.rule.fits(service, method, path) and armed.strikes() and chosen is None:
                chosen = armed.rule
        return chosen


class FaultMiddleware:
    """Applies the plan to each request of a service before or after it does its work."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        service: ServiceName,
        plan: FaultPlan,
        fault_response: Callable[[str], Response],
    ) -> None:
        self._app = app
        self._service = service
        self._plan = plan
        self._fault_response = fault_response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, disturbed or not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        rule = self._plan.choose(self._service, scope["method"], _target(scope))
        latency = self._plan.latency.get(self._service, 0)
        if latency:
            await asyncio.sleep(latency / 1000)
        if rule is None:
            await self._app(scope, receive, send)
            return
        if CALL_STATE in scope:
            scope[CALL_STATE].fault = rule.kind
        if self._plan.on_strike is not None:
            self._plan.on_strike(rule)
        if rule.kind == "refused":
            if self._plan.refuse is not None:
                self._plan.refuse(self._service, rule.milliseconds)
            await _cut(scope, receive)
        elif rule.kind in TRANSPORT_KINDS:
            await self._disturb(rule, scope, receive, send)
        else:
            await self._fault_response(rule.kind)(scope, receive, send)

    async def _disturb(self, rule: FaultRule, scope: Scope, receive: Receive, send: Send) -> None:
        if rule.kind == "cut_before":
            await _cut(scope, receive)
            return
        if rule.kind == "hold_before":
            self._plan.held.put(rule)
            await _disconnected(receive)
            return
        answer: list[Message] = []

        async def hold(message: Message) -> None:
            answer.append(message)

        await self._app(scope, receive, hold)
        # no answer: the client went away before the request was whole
        if rule.kind == "cut_after" or not answer:
            await _cut(scope, receive)
        elif rule.kind == "hold_after":
            self._plan.held.put(rule)
            await _disconnected(receive)
        elif rule.kind == "error_after" and answer[0]["status"] < SERVER_ERROR:
            # a service that keeps its answers has already made the 500 that it keeps
            await self._fault_response("server_error")(scope, receive, send)
        elif rule.kind == "truncated":
            body = b"".join(message.get("body", b"") for message in answer[1:])
            await send(answer[0])
            half = body[: len(body) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
            _transport(scope).close()
            await _disconnected(receive)
        else:
            if rule.kind == "slow":
                await asyncio.sleep(rule.milliseconds / 1000)
            for message in answer:
                await send(message)


async def _cut(scope: Scope, receive: Receive) -> None:
    """Close the connection at once; the server hears of it before we return."""
    _transport(scope).abort()
    await _disconnected(receive)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _target(scope: Scope) -> str:
    path: str = scope["path"]
    query = scope["query_string"].decode("ascii", "replace")
    return f"{path}?{query}" if query else path


def _transport(scope: Scope) -> asyncio.Transport:
    transport: asyncio.Transport = scope["extensions"][TRANSPORT_EXTENSION]
    return transport
