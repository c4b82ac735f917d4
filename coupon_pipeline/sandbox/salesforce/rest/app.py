"""The ASGI application: reads a request, finds its caller and endpoint, sends the reply."""

import asyncio
import json
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from starlette.types import Message, Receive, Scope, Send

from coupon_pipeline.sandbox.salesforce.errors import SalesforceError, not_found
from coupon_pipeline.sandbox.salesforce.login import bearer
from coupon_pipeline.sandbox.salesforce.org import Caller, Org
from coupon_pipeline.sandbox.salesforce.rest import async_jobs, data, login_pages
from coupon_pipeline.sandbox.salesforce.rest.exchange import (
    Reply,
    Request,
    error_reply,
    json_reply,
    wrong_method,
)
from coupon_pipeline.sandbox.salesforce.users import User

_LOG = logging.getLogger(__name__)

LONGEST_HEAD = 16_384
_CHUNK = 262_144
_SALESFORCE_HOST = re.compile(r"[a-z0-9.-]+\.salesforce\.com(:\d+)?", re.IGNORECASE)
_TOO_COMPLICATED = SalesforceError(
    "QUERY_TOO_COMPLICATED",
    "Query is either selecting too many fields or the filter conditions are too complicated.",
)
_LOGIN_HOSTS = ("login.salesforce.com", "test.salesforce.com")


@dataclass(frozen=True, slots=True)
class _Raw:
    """A request as it came in."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


class App:
    """Serves one org."""

    def __init__(self, org: Org, end_transaction: Callable[[], None]) -> None:
        self._org = org
        self._end_transaction = end_transaction

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP request, or the server's start and end."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        raw = await _read(scope, receive)
        if raw is None:
            return
        reply = self.reply(raw)
        await _send(reply, send, self._org.usage.header)
        if reply.after is not None:
            # the client is busy reading this page: write the next one meanwhile
            await asyncio.sleep(0)
            reply.after()

    def reply(self, raw: _Raw) -> Reply:
        """The reply to a request; refusals are replies too."""
        org = self._org
        org.trigger.settle(org.clock.now())
        too_long = _too_long(raw)
        if too_long is not None:
            return too_long
        try:
            reply = self._routed(raw)
        except SalesforceError as error:
            reply = error_reply(error)
        except RecursionError:
            reply = error_reply(_TOO_COMPLICATED)
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets an answer
            # a mistake of the sandbox, not of the caller: taken back, logged and shown
            _LOG.exception("%s %s", raw.method, raw.path)
            org.store.undo_to(0)
            reply = error_reply(
                SalesforceError("UNKNOWN_EXCEPTION", f"Sandbox error: {error!r}", status=500)
            )
        self._end_transaction()
        return reply

    def _routed(self, raw: _Raw) -> Reply:
        segments = tuple(unquote(part) for part in raw.path.split("/") if part)
        match segments:
            case ("services", "oauth2", *rest):
                return self._oauth(raw, tuple(rest))
            case ("services", "Soap", "u", version, *_):
                _only(raw, "POST")
                return login_pages.soap_login(self._org, raw.body, version, self._own_address(raw))
            case ("services", "data"):
                _only(raw, "GET")
                return json_reply(data.versions())
            case ("services", "data", version, *rest) if version.startswith("v"):
                return self._data(raw, version[1:], tuple(rest))
            case ("services", "async", version, *rest):
                self._count()
                caller = Caller(self._org, self._bulk_user(raw), version)
                return async_jobs.handle(caller, raw.method, tuple(rest), raw.body)
            case ("id", _, _):
                _only(raw, "GET")
                return login_pages.identity(self._org, self._user(raw), self._address(raw))
        raise not_found()

    def _oauth(self, raw: _Raw, rest: tuple[str, ...]) -> Reply:
        match rest:
            case ("token",):
                _only(raw, "POST")
                is_own = self._org.switches.salesforce_instance_url == "my_domain"
                address = self._own_address(raw) if is_own else self._address(raw)
                return login_pages.token(self._org, raw.body, raw.headers, address)
            case ("revoke",):
                _only(raw, "POST")
                return login_pages.revoke(self._org, raw.body)
            case ("userinfo",):
                _only(raw, "GET", "POST")
                return login_pages.user_info(self._org, self._user(raw), self._address(raw))
        raise not_found()

    def _data(self, raw: _Raw, version: str, segments: tuple[str, ...]) -> Reply:
        caller = Caller(self._org, self._user(raw), version)
        self._count()
        content_type = raw.headers.get("content-type", "")
        if raw.body and "json" not in content_type.lower():
            raise SalesforceError(
                "UNSUPPORTED_MEDIA_TYPE",
                f"Content-Type header specified in HTTP request is not supported: {content_type}",
                status=415,
            )
        parameters = dict(parse_qsl(raw.query, keep_blank_values=True))
        request = Request(raw.method, segments, parameters, raw.headers, _parsed(raw.body))
        return data.dispatch(caller, request)

    def _count(self) -> None:
        usage = self._org.usage
        if usage.used >= usage.limit:
            raise SalesforceError(
                "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", status=403
            )
        usage.used += 1

    def _user(self, raw: _Raw) -> User:
        return self._org.sessions.user_of(bearer(raw.headers.get("authorization")))

    def _bulk_user(self, raw: _Raw) -> User:
        token = raw.headers.get("x-sfdc-session")
        return self._org.sessions.user_of(token) if token else self._user(raw)

    def _address(self, raw: _Raw) -> str:
        """Where this caller finds the org: by the name that it already uses."""
        host = raw.headers.get("host", "")
        if _SALESFORCE_HOST.fullmatch(host):
            named = self._org.my_domain if host.partition(":")[0] in _LOGIN_HOSTS else host
            return f"https://{named}"
        return f"http://{host}"

    def _own_address(self, raw: _Raw) -> str:
        """A salesforce.com name in any case, as the real service gives."""
        address = self._address(raw)
        return address if address.startswith("https:") else f"https://{self._org.my_domain}"


def _only(raw: _Raw, *methods: str) -> None:
    if raw.method not in methods:
        raise wrong_method(raw.method)


def _too_long(raw: _Raw) -> Reply | None:
    target = len(raw.path) + len(raw.query) + 1
    heads = sum(len(name) + len(value) + 4 for name, value in raw.headers.items())
    if target > LONGEST_HEAD:
        return Reply(414, "<h1>URI Too Long</h1>", "text/html;charset=UTF-8")
    if target + heads > LONGEST_HEAD:
        return Reply(431, "<h1>Request Header Fields Too Large</h1>", "text/html;charset=UTF-8")
    return None


def _parsed(body: bytes) -> object:
    if not body:
        return None
    try:
        parsed: object = json.loads(body, parse_float=str)
    except ValueError as error:
        raise SalesforceError(
            "JSON_PARSER_ERROR", f"Unexpected character in the request body: {error}"
        ) from error
    return parsed


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _read(scope: Scope, receive: Receive) -> _Raw | None:
    """The whole request; a request that breaks off is none."""
    parts: list[bytes] = []
    more = True
    while more:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    return _Raw(
        scope["method"],
        path.decode("ascii", "replace").partition("?")[0],
        scope["query_string"].decode("ascii", "replace"),
        headers,
        b"".join(parts),
    )


async def _send(reply: Reply, send: Send, usage: str) -> None:
    body = reply.body.encode()
    headers = [(b"content-type", reply.content_type.encode())] if reply.status != 204 else []  # noqa: PLR2004 - no content
    headers.append((b"content-length", str(len(body)).encode()))
    headers.append((b"sforce-limit-info", usage.encode()))
    headers.extend((name.lower().encode(), value.encode()) for name, value in reply.headers.items())
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    for start in range(0, max(1, len(body)), _CHUNK):
        end = start + _CHUNK
        await send(
            {
                "type": "http.response.body",
                "body": body[start:end],
                "more_body": end < len(body),
            }
        )
