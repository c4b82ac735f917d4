"""Turning the sandbox's knobs over HTTP: JSON under `/_sandbox/`, the same on both servers."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from coupon_pipeline.sandbox.calls import ServiceName
from coupon_pipeline.sandbox.company import sync_orders
from coupon_pipeline.sandbox.faults import ANSWER_KINDS, TRANSPORT_KINDS, FaultPlan, FaultRule
from coupon_pipeline.sandbox.journal import JsonValue
from coupon_pipeline.sandbox.stripe.errors import StripeError
from coupon_pipeline.sandbox.switches import SWITCHES, positions, turn

if TYPE_CHECKING:  # the sandbox serves this module
    from coupon_pipeline.sandbox.serving import Sandbox

Body: TypeAlias = dict[str, JsonValue]
Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]


class BadControlError(ValueError):
    """A control request that cannot be understood; the message says what is expected."""


def control_app(sandbox: "Sandbox") -> ASGIApp:
    """The control API of one sandbox."""
    return Starlette(
        routes=[
            Route("/_sandbox/clock", _clock(sandbox), methods=["GET", "POST"]),
            Route("/_sandbox/faults", _faults(sandbox), methods=["GET", "POST", "DELETE"]),
            Route("/_sandbox/switches", _switches(sandbox), methods=["GET", "PATCH"]),
            Route("/_sandbox/calls", _calls(sandbox), methods=["GET", "DELETE"]),
            Route("/_sandbox/hidden_fields", _hidden(sandbox), methods=["GET", "POST", "DELETE"]),
            Route("/_sandbox/restricted_keys", _restricted_keys(sandbox), methods=["POST"]),
            Route("/_sandbox/customer_discount", _customer_discount(sandbox), methods=["POST"]),
            Route("/_sandbox/order_sync", _order_sync(sandbox), methods=["POST"]),
        ],
        exception_handlers={ValueError: _refused},
    )


async def _refused(_request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, status_code=400)


def _clock(sandbox: "Sandbox") -> Endpoint:
    async def clock(request: Request) -> Response:
        if request.method == "POST":
            body = await _body(request, {"advance_seconds", "set"})
            if "advance_seconds" in body:
                sandbox.clock.advance(timedelta(seconds=_number(body, "advance_seconds")))
            elif "set" in body:
                sandbox.advance_to(str(body["set"]))
            else:
                raise BadControlError('Send {"advance_seconds": n} or {"set": "2026-11-02T..."}.')
        now = sandbox.clock.now().isoformat()
        return JSONResponse({"now": now, "frozen": sandbox.clock.frozen})

    return clock


def _faults(sandbox: "Sandbox") -> Endpoint:
    async def faults(request: Request) -> Response:
        if request.method == "DELETE":
            number = request.query_params.get("number")
            sandbox.faults.disarm(None if number is None else int(number))
        if request.method == "POST":
            body = await _body(request, {"latency", *FaultRule.__dataclass_fields__})
            arm(sandbox.faults, body)
        return JSONResponse(describe_faults(sandbox.faults))

    return faults


def arm(plan: FaultPlan, body: Body) -> None:
    """Arm the rule that the body describes, or set `latency` ({service: milliseconds})."""
    if "latency" in body:
        latency = body["latency"]
        if not isinstance(latency, dict):
            raise BadControlError('latency is {"stripe": milliseconds, "salesforce": ...}.')
        for name in latency:
            plan.latency[_service(name)] = int(_number(latency, name))
        return
    if "kind" not in body:
        raise BadControlError("A fault has a service and a kind.")
    service = _service(body.get("service"))
    rule = cast("dict[str, Any]", {name: body[name] for name in body if name != "service"})
    plan.arm(FaultRule(service=service, **rule))


def describe_faults(plan: FaultPlan) -> Body:
    """The armed rules, the latencies, and the kinds that there are."""
    return {
        "rules": [
            {"number": number, "struck": struck, **asdict(rule)}
            for number, rule, struck in plan.rules()
        ],
        "latency": {str(name): delay for name, delay in plan.latency.items()},
        "kinds": {
            service: {**TRANSPORT_KINDS, **answers} for service, answers in ANSWER_KINDS.items()
        },
    }


def _switches(sandbox: "Sandbox") -> Endpoint:
    async def switches(request: Request) -> Response:
        if request.method == "PATCH":
            body = await _body(request, {switch.name for switch in SWITCHES})
            turn(sandbox.switches, {name: str(value) for name, value in body.items()})
            sandbox.remember()
        present = positions(sandbox.switches)
        return JSONResponse(
            {switch.name: {**asdict(switch), "now": present[switch.name]} for switch in SWITCHES}
        )

    return switches


def _calls(sandbox: "Sandbox") -> Endpoint:
    async def calls(request: Request) -> Response:
        if request.method == "DELETE":
            sandbox.calls.clear()
        counts = [
            {"service": service, "method": method, "path": path, "count": count}
            for service, method, path, count in sandbox.calls.counts()
        ]
        return JSONResponse({"counts": counts})

    return calls


def _hidden(sandbox: "Sandbox") -> Endpoint:
    async def hidden(request: Request) -> Response:
        access = sandbox.salesforce.integration_user.access
        if request.method == "DELETE":
            access.hidden_objects.clear()
            access.hidden_fields.clear()
        if request.method == "POST":
            body = await _body(request, {"object", "field"})
            schema = sandbox.salesforce.schema
            kind = schema.objects.get(str(body.get("object")))
            if kind is None:
                raise BadControlError(f"object is one of {', '.join(schema.objects)}.")
            if "field" not in body:
                access.hide_object(kind.key)
            elif str(body["field"]) in kind.by_key:
                access.hide_field(kind.key, str(body["field"]))
            else:
                raise BadControlError(f"field is one of {', '.join(kind.by_key)}.")
        return JSONResponse(
            {
                "objects": sorted(access.hidden_objects),
                "fields": [f"{kind}.{field}" for kind, field in sorted(access.hidden_fields)],
            }
        )

    return hidden


def _restricted_keys(sandbox: "Sandbox") -> Endpoint:
    async def restricted_keys(request: Request) -> Response:
        body = await _body(request, {"permissions"})
        permissions = body.get("permissions")
        if not isinstance(permissions, list):
            raise BadControlError('Send {"permissions": ["rak_coupon_read", ...]}.')
        key = sandbox.stripe.restricted_key(*(str(one) for one in permissions))
        return JSONResponse({"api_key": key})

    return restricted_keys


def _customer_discount(sandbox: "Sandbox") -> Endpoint:
    async def customer_discount(request: Request) -> Response:
        body = await _body(request, {"customer", "coupon"})
        try:
            sandbox.stripe.set_customer_discount(str(body["customer"]), str(body["coupon"]))
        except (KeyError, StripeError) as error:
            raise BadControlError(f"customer and coupon are ids that exist: {error}.") from error
        return JSONResponse(body)

    return customer_discount


def _order_sync(sandbox: "Sandbox") -> Endpoint:
    async def order_sync(_request: Request) -> Response:
        return JSONResponse({"orders": sync_orders(sandbox)})

    return order_sync


async def _body(request: Request, known: set[str]) -> Body:
    body = await request.json()
    if not isinstance(body, dict):
        raise BadControlError("Send a JSON object.")
    unknown = sorted(set(body) - known)
    if unknown:
        raise BadControlError(f"Unknown: {', '.join(unknown)}; known: {', '.join(sorted(known))}.")
    return body


def _service(name: JsonValue) -> ServiceName:
    if name == "stripe":
        return "stripe"
    if name == "salesforce":
        return "salesforce"
    raise BadControlError(f"service is stripe or salesforce, not {name!r}.")


def _number(body: Body, name: str) -> float:
    value = body[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadControlError(f"{name} is a number.")
    return value
