"""The Stripe API over HTTP, and the same work for code in the process."""

import random
import re
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from urllib.parse import unquote

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from coupon_pipeline.sandbox.calls import CALL_STATE
from coupon_pipeline.sandbox.clock import Clock
from coupon_pipeline.sandbox.journal import Journal
from coupon_pipeline.sandbox.stripe.account import Account
from coupon_pipeline.sandbox.stripe.accounts import no_access
from coupon_pipeline.sandbox.stripe.answers import Call
from coupon_pipeline.sandbox.stripe.contract import api_version, parameters
from coupon_pipeline.sandbox.stripe.customers import DISCOUNTING, give_discount
from coupon_pipeline.sandbox.stripe.desk import Desk, to_json
from coupon_pipeline.sandbox.stripe.endpoints import Endpoint, Routing
from coupon_pipeline.sandbox.stripe.errors import ConditionError, StripeError, unrecognized_url
from coupon_pipeline.sandbox.stripe.events import Cause
from coupon_pipeline.sandbox.stripe.faults import server_error, stripe_fault
from coupon_pipeline.sandbox.stripe.form import Form, Node, decode
from coupon_pipeline.sandbox.stripe.idempotency import FirstAnswer, fingerprint
from coupon_pipeline.sandbox.stripe.keys import Key, authenticate, checked
from coupon_pipeline.sandbox.stripe.limits import RateLimits
from coupon_pipeline.sandbox.stripe.parameters import read
from coupon_pipeline.sandbox.stripe.rendering import shown
from coupon_pipeline.sandbox.stripe.store import StripeObject, copy_json
from coupon_pipeline.sandbox.switches import Switches

VERSION_FORM: Final = re.compile(r"^\d{4}-\d{2}-\d{2}(\.[a-z]+)?$")
BEFORE_STACKING: Final = "2025-03-31"
"""From this version on (basil) customers take no coupon (https://docs.stripe.com/changelog/basil)."""
KEY_LENGTH: Final = 32
KEYS_TABLE: Final = "stripe.keys"
COLLECTIONS: Final = {
    "customer": "/v1/customers",
    "product": "/v1/products",
    "price": "/v1/prices",
    "tax_rate": "/v1/tax_rates",
    "coupon": "/v1/coupons",
    "promotion_code": "/v1/promotion_codes",
    "subscription": "/v1/subscriptions",
    "subscription_item": "/v1/subscription_items",
    "subscription_schedule": "/v1/subscription_schedules",
    "test_clock": "/v1/test_helpers/test_clocks",
}
KINDS_BY_COLLECTION: Final = {
    **{path: kind for kind, path in COLLECTIONS.items()},
    "/v1/invoices": "invoice",
}


class Reply:
    """Status, headers and body of one answer."""

    def __init__(self, status: int, body: str, headers: dict[str, str]) -> None:
        self.status = status
        self.body = body
        self.headers = headers


class StripeService:
    """One Stripe account with test and live mode, and accounts connected to it."""

    def __init__(
        self,
        clock: Clock,
        switches: Switches,
        journal: Journal,
        seed: int,
        api_key: str | None = None,
    ) -> None:
        draw = random.Random(f"stripe/{seed}")  # noqa: S311 - the same seed, the same keys
        text = "".join(
            draw.choices("abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789", k=96)
        )
        self.clock = clock
        self.switches = switches
        self.account_id = f"acct_1{text[:15]}"
        self.api_key = api_key or f"sk_test_51{text[16 : 16 + KEY_LENGTH]}"
        self.live_api_key = f"sk_live_51{text[48 : 48 + KEY_LENGTH]}"
        self.limits = RateLimits()
        self._journal = journal
        self._seed = seed
        self._draw = draw
        self._routing = Routing()
        self._keys: dict[str, Key] = {}
        self._connected: set[str] = set()
        self._desks: dict[tuple[str, bool], Desk] = {}
        for key in (self.api_key, self.live_api_key):
            self._keys[key] = checked(key, self.account_id)
        for key, permissions in journal.load(KEYS_TABLE).items():
            names = [str(one) for one in permissions] if isinstance(permissions, list) else None
            self._keys[key] = checked(key, self.account_id, names)
        self.livemode = self._keys[self.api_key].livemode
        self._desk(self.account_id, livemode=self.livemode)
        clock.on_advance(self._advanced)

    # --- for code in the process ---

    @property
    def account(self) -> Account:
        """The account in the mode of `api_key`."""
        return self._desk(self.account_id, livemode=self.livemode).account

    @property
    def app(self) -> "StripeService":
        """The ASGI app."""
        return self

    def register_key(self, text: str, permissions: Iterable[str] | None = None) -> str:
        """Let one more key in; with `permissions` (rak_coupon_read, ...) it is restricted."""
        allowed = None if permissions is None else sorted(permissions)
        self._keys[text] = checked(text, self.account_id, allowed)
        self._journal.put(KEYS_TABLE, text, "all" if allowed is None else [*allowed])
        return text

    def restricted_key(self, *permissions: str, livemode: bool = False) -> str:
        """A new restricted key with these permissions."""
        letters = "".join(self._draw.choices("abcdefghijkmnpqrstuvwxyz23456789", k=KEY_LENGTH))
        return self.register_key(f"rk_{'live' if livemode else 'test'}_51{letters}", permissions)

    def connect(self, account_id: str) -> Account:
        """An account that the header Stripe-Account may name; test mode."""
        self._connected.add(account_id)
        return self._desk(account_id, livemode=False).account

    def in_mode(self, *, livemode: bool) -> Account:
        """The account's objects in one of its modes."""
        return self._desk(self.account_id, livemode=livemode).account

    def create(self, kind: str, params: Mapping[str, Any]) -> StripeObject:
        """Make an object through the endpoint's own code, validation included."""
        return self.call("POST", COLLECTIONS[kind], params)

    def call(self, method: str, path: str, params: Mapping[str, Any] | None = None) -> StripeObject:
        """Any endpoint without HTTP, keys and limits; raises StripeError where it refuses."""
        found = self._routing.find(method, [unquote(one) for one in path.split("/")[1:]])
        if found is None:
            raise unrecognized_url(method, path)
        endpoint, ids = found
        desk = self._desk(self.account_id, livemode=self.livemode)
        desk.catch_up(int(self.clock.now().timestamp()))
        typed = _read(endpoint, _encoded(params or {}), api_version())
        made: StripeObject = copy_json(desk.perform(endpoint, Call(typed, ids, api_version())))
        return made

    def insert(self, kind: str, objects: Iterable[StripeObject]) -> None:
        """Store objects that are already in stored form, unchecked."""
        desk = self._desk(self.account_id, livemode=self.livemode)
        for thing in objects:
            desk.account.store.add(kind, thing)
        desk.commit()

    def get(self, kind: str, object_id: str) -> StripeObject | None:
        """A stored object: ids where Stripe shows objects, and members that begin with `_`."""
        return self.account.store.get(kind, object_id)

    def all(self, kind: str) -> list[StripeObject]:
        """All stored objects of a kind, oldest first."""
        return list(self.account.store.older(kind))[::-1]

    def shown(self, kind: str, object_id: str) -> StripeObject | None:
        """An object as the API shows it, with nothing expanded."""
        found = self.account.store.get(kind, object_id)
        return None if found is None else copy_json(shown(self.account, kind, found))

    def items_of(self, subscription_id: str) -> list[StripeObject]:
        """The stored items of a subscription, in their order."""
        subscription = self.account.store.get("subscription", subscription_id)
        ids = [] if subscription is None else subscription["_items"]
        found = (self.account.store.get("subscription_item", one) for one in ids)
        return [item for item in found if item is not None]

    def preview_invoice(self, subscription_id: str) -> StripeObject:
        """The next invoice of a subscription; StripeError when it has none."""
        params = {"subscription": subscription_id}
        return self.call("POST", "/v1/invoices/create_preview", params)

    def set_customer_discount(self, customer_id: str, coupon_id: str) -> None:
        """Give a customer a discount, as the Dashboard can and the current API cannot."""
        desk = self._desk(self.account_id, livemode=self.livemode)
        give_discount(desk.account, customer_id, {"coupon": coupon_id})
        desk.commit()

    def cancel(self, subscription_id: str) -> None:
        """Cancel a subscription at once."""
        self.call("DELETE", f"/v1/subscriptions/{subscription_id}")

    def catch_up(self) -> None:
        """Let everything happen that was due by now."""
        now = int(self.clock.now().timestamp())
        for desk in self._desks.values():
            desk.catch_up(now)

    def fault_response(self, kind: str) -> Response:
        """The answer to a request that an armed fault strikes."""
        error = stripe_fault(kind)
        headers = dict(error.headers)
        if error.code != "lock_timeout":  # it comes without one
            headers["Request-Id"] = self._request_id()
        reply = self._refusal(error, headers)
        return Response(reply.body, reply.status, reply.headers, media_type="application/json")

    # --- HTTP ---

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return  # a request that breaks off is none
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        call = scope.get(CALL_STATE)
        reply = self.answer(
            scope["method"],
            scope.get("raw_path") or scope["path"].encode(),
            scope["query_string"],
            dict(scope["headers"]),
            body,
            loses_answer=getattr(call, "fault", None) == "error_after",
        )
        content = reply.body.encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
            *((name.encode(), value.encode()) for name, value in reply.headers.items()),
        ]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    def answer(
        self,
        method: str,
        raw_path: bytes,
        query: bytes,
        headers: Mapping[bytes, bytes],
        body: bytes,
        *,
        loses_answer: bool = False,
    ) -> Reply:
        """One request from its bytes to its answer.

        `loses_answer`: the work is done, and a 500 is answered and kept under the
        idempotency key, as when the real service fails after the work.
        """
        request_id = self._request_id()
        version = headers.get(b"stripe-version", b"").decode("latin-1") or api_version()
        out = {"Request-Id": request_id, "Stripe-Version": version}
        livemode = False
        try:
            key = authenticate(headers, self._keys)
            livemode = key.livemode
            desk = self._desk_of(key, headers, out)
            if not VERSION_FORM.match(version):
                raise StripeError(f"Invalid Stripe API version: {version}")  # noqa: TRY301 - one way out for all refusals
            path = raw_path.split(b"?")[0].decode("latin-1")
            endpoint, ids = self._found(method, path)
            self._check_limits(desk, endpoint, key)
            self._check_permission(desk, endpoint, ids, key)
            text = _form_text(method, query, headers, body)
            desk.catch_up(int(self.clock.now().timestamp()))
            request = _Request(endpoint, ids, method, path, text, version, request_id)
            if method == "POST" and b"idempotency-key" in headers:
                idempotency_key = headers[b"idempotency-key"].decode("latin-1")
                return self._once(desk, request, idempotency_key, out, loses_answer=loses_answer)
            return Reply(200, to_json(_perform(desk, request)), out)
        except StripeError as error:
            return self._refusal(error, out | error.headers, livemode=livemode)

    def _once(
        self,
        desk: Desk,
        request: "_Request",
        key: str,
        out: dict[str, str],
        *,
        loses_answer: bool,
    ) -> Reply:
        """Do the work of a key the first time, and give the first answer again later."""
        store = desk.account.idempotency
        now = int(self.clock.now().timestamp())
        mark = fingerprint(request.method, request.path, request.text)
        out["Idempotency-Key"] = key
        first = store.find(key, mark, now)
        if first is not None:
            out |= {"Idempotent-Replayed": "true", "Original-Request": first.request_id}
            return Reply(first.status, first.body, out)
        out["Original-Request"] = request.id
        try:
            reply = Reply(200, to_json(_perform(desk, request, key)), out)
        except ConditionError as error:
            if self.switches.stripe_refusals_stored == "not_stored":
                raise
            reply = self._refusal(error, out, livemode=desk.account.livemode)
        except StripeError as error:
            if not error.stored:
                raise
            reply = self._refusal(error, out, livemode=desk.account.livemode)
        if loses_answer:
            reply = self._refusal(server_error(), out, livemode=desk.account.livemode)
        store.keep(key, FirstAnswer(mark, reply.status, reply.body, request.id, now))
        return reply

    def _found(self, method: str, path: str) -> tuple[Endpoint, tuple[str, ...]]:
        found = self._routing.find(method, [unquote(one) for one in path.split("/")[1:]])
        if found is None:
            raise unrecognized_url(method, path)
        return found

    def _desk_of(self, key: Key, headers: Mapping[bytes, bytes], out: dict[str, str]) -> Desk:
        named = headers.get(b"stripe-account") or headers.get(b"stripe-context") or b""
        account_id = named.decode("latin-1") or key.account_id
        if account_id != key.account_id and account_id not in self._connected:
            raise no_access(account_id)
        if named:
            out["Stripe-Account"] = account_id
        return self._desk(account_id, livemode=key.livemode)

    def _check_permission(
        self, desk: Desk, endpoint: Endpoint, ids: tuple[str, ...], key: Key
    ) -> None:
        if ids and self.switches.stripe_permission_check == "after_lookup":
            kind = KINDS_BY_COLLECTION.get(endpoint.path.partition("/{id}")[0])
            if kind is not None:
                desk.account.need(kind, ids[0])
        permission = endpoint.permission
        asks_who = endpoint.path == "/v1/account"
        if asks_who and self.switches.stripe_account_permission != "none":
            permission = self.switches.stripe_account_permission
        key.require(permission, self.switches)

    def _check_limits(self, desk: Desk, endpoint: Endpoint, key: Key) -> None:
        seconds = self.clock.now().timestamp() if self.clock.frozen else time.monotonic()
        name = f"{desk.account.account_id}/{key.livemode}"
        apart = self.switches.stripe_endpoint_limit == "method_and_path"
        place = f"{endpoint.method} {endpoint.path}" if apart else endpoint.path
        self.limits.check(name, place, seconds, self.switches, livemode=key.livemode)

    def _desk(self, account_id: str, *, livemode: bool) -> Desk:
        found = self._desks.get((account_id, livemode))
        if found is None:
            account = Account(
                account_id,
                livemode=livemode,
                clock=self.clock,
                switches=self.switches,
                journal=self._journal,
                seed=self._seed,
            )
            account.sibling = lambda: self._other_mode(account_id, livemode=livemode)
            found = self._desks[account_id, livemode] = Desk(account)
        return found

    def _other_mode(self, account_id: str, *, livemode: bool) -> Account | None:
        other = self._desks.get((account_id, not livemode))
        return None if other is None else other.account

    def _advanced(self, _before: datetime, _after: datetime) -> None:
        self.catch_up()

    def _request_id(self) -> str:
        return "req_" + "".join(
            self._draw.choices("abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789", k=14)
        )

    def _refusal(
        self, error: StripeError, headers: dict[str, str], *, livemode: bool = False
    ) -> Reply:
        request_id = headers.get("Request-Id", self._request_id())
        return Reply(error.status, to_json(error.body(request_id, livemode=livemode)), headers)


class _Request:
    def __init__(
        self,
        endpoint: Endpoint,
        ids: tuple[str, ...],
        method: str,
        path: str,
        text: str,
        version: str,
        request_id: str,
    ) -> None:
        self.endpoint = endpoint
        self.ids = ids
        self.method = method
        self.path = path
        self.text = text
        self.version = version
        self.id = request_id


def _perform(desk: Desk, request: _Request, key: str | None = None) -> StripeObject:
    params = _read(request.endpoint, decode(request.text), request.version)
    call = Call(params, request.ids, request.version)
    return desk.perform(request.endpoint, call, Cause(request.id, key))


def _read(endpoint: Endpoint, form: Form, version: str) -> dict[str, Any]:
    old: dict[str, Any] = {}
    if version < BEFORE_STACKING and endpoint.parameters in {"customer_create", "customer_update"}:
        old = {name: form.pop(name) for name in DISCOUNTING if name in form}
    params = read(parameters(endpoint.parameters), form) | old
    endpoint.check(params)
    return params


def _form_text(method: str, query: bytes, headers: Mapping[bytes, bytes], body: bytes) -> str:
    if method != "POST":
        return (query or body).decode("utf-8", "replace")
    if body and b"json" in headers.get(b"content-type", b""):
        raise StripeError(
            "Invalid request: the API takes form-encoded bodies "
            "(application/x-www-form-urlencoded), not JSON."
        )
    return (body or query).decode("utf-8", "replace")


def _encoded(value: Mapping[str, Any]) -> Form:
    return {key: _node(inner) for key, inner in value.items() if inner is not None}


def _node(value: Any) -> Node:
    if isinstance(value, Mapping):
        return _encoded(value)
    if isinstance(value, list | tuple):
        return {str(position): _node(one) for position, one in enumerate(value)}
    if isinstance(value, bool):
        return "true" if value else "false"
    return format(value, "f") if isinstance(value, Decimal) else str(value)
