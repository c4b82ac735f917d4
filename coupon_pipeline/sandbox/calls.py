"""Which requests came in: for tests ("the second run writes nothing") and for people."""

import json
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coupon_pipeline.sandbox.journal import JsonValue

ServiceName = Literal["stripe", "salesforce"]
WRITING_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
KEPT_CALLS = 50_000
SALESFORCE_ID_LENGTHS = (15, 18)
CALL_STATE: Final = "sandbox.call"


@dataclass
class Call:
    """One request and the status of its answer; 0 when the connection was cut instead."""

    number: int
    service: ServiceName
    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    status: int = 0
    fault: str | None = None

    @property
    def form(self) -> dict[str, str]:
        """The fields of a form body, bracketed names as sent."""
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    @property
    def parameters(self) -> dict[str, str]:
        """The fields of the query string."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    @property
    def json(self) -> JsonValue:
        """The JSON body."""
        body: JsonValue = json.loads(self.body)
        return body


class CallLog:
    """Every request of both services, the last ones in full, all of them counted."""

    def __init__(self, *, keep: bool = True) -> None:
        self._calls: deque[Call] = deque(maxlen=KEPT_CALLS if keep else 0)
        self._counts: Counter[tuple[ServiceName, str, str]] = Counter()
        self._numbers: Counter[ServiceName] = Counter()
        self.keeps = keep

    def begin(self, service: ServiceName, method: str, path: str) -> Call:
        """Count a request and return its record, to be completed while it is served.

        It is there before the request does anything, so that somebody who has an answer, or
        none, always finds it.
        """
        self._numbers[service] += 1
        self._counts[service, method, path_form(path)] += 1
        call = Call(self._numbers[service], service, method, path)
        self._calls.append(call)
        return call

    def all(self, service: ServiceName | None = None) -> list[Call]:
        """The kept requests, oldest first."""
        return [call for call in tuple(self._calls) if service in (None, call.service)]

    def writes(self, service: ServiceName | None = None) -> list[Call]:
        """The kept requests whose method may change something."""
        return [call for call in self.all(service) if call.method in WRITING_METHODS]

    def counts(self) -> list[tuple[ServiceName, str, str, int]]:
        """Service, method, path with ids as `{id}`, and how often; sorted."""
        return [(*key, count) for key, count in sorted(self._counts.items())]

    def total(self, service: ServiceName) -> int:
        """How many requests the service has had."""
        return self._numbers[service]

    def clear(self) -> None:
        """Forget all requests and start counting again."""
        self._calls.clear()
        self._counts.clear()
        self._numbers.clear()


def path_form(path: str) -> str:
    """The path with ids replaced, so that the number of forms is bounded."""
    return "/".join("{id}" if _is_id(part) else part for part in path.split("/"))


def _is_id(part: str) -> bool:
    if part.startswith("01g"):
        return True
    has_digit = any(character.isdigit() for character in part)
    if not has_digit:
        return False
    salesforce = part.isalnum() and len(part) in SALESFORCE_ID_LENGTHS
    stripe = part.startswith("sf-") or ("_" in part and not part.endswith("__c"))
    return salesforce or stripe


class CallLogMiddleware:
    """Keeps each request of one service in the log."""

    def __init__(self, app: ASGIApp, *, service: ServiceName, log: CallLog) -> None:
        self._app = app
        self._service = service
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request and write down what it was and what came of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        call = self._log.begin(self._service, scope["method"], scope["path"])
        scope[CALL_STATE] = call
        if self._log.keeps:
            call.query = scope["query_string"].decode("ascii", "replace")
            call.headers = {
                name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
            }

        async def listen() -> Message:
            message = await receive()
            if self._log.keeps and message["type"] == "http.request":
                call.body += message.get("body", b"")
            return message

        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                call.status = message["status"]
            await send(message)

        await self._app(scope, listen, note)
