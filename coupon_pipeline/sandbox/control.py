"""Turning the sandbox's knobs over HTTP: JSON under `/_sandbox/`, the same on both servers."""

from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from coupon_pipeline.sandbox.calls import ServiceName
from coupon_pipeline.sandbox.company import sync_orders
from coupon_pipeline.sandbox.control_body import (
    BadControlError,
    Body,
    Endpoint,
    number_in,
    read_body,
)
from coupon_pipeline.sandbox.control_org import org_routes
from coupon_pipeline.sandbox.faults import ANSWER_KINDS, TRANSPORT_KINDS, FaultPlan, FaultRule
from coupon_pipeline.sandbox.journal import JsonValue
from coupon_pipeline.sandbox.stripe.errors import StripeError
from coupon_pipeline.sandbox.switches import SWITCHES, positions, turn

if TYPE_CHECKING:  # the sandbox serves this module
    from coupon_pipeline.sandbox.serving import Sandbox


def control_app(sandbox: "Sandbox") -> ASGIApp:
    """The control API of one sandbox."""
    knobs = [
        Route("/_sandbox/clock", _clock(sandbox), methods=["GET", "POST"]),
        Route("/_sandbox/faults", _faults(sandbox), methods=["GET", "POST", "DELETE"]),
        Route("/_sandbox/switches", _switches(sandbox), methods=["GET", "PATCH"]),
        Route("/_sandbox/calls", _calls(sandbox), methods=["GET", "DELETE"]),
        Route("/_sandbox/keys", _keys(sandbox), methods=["GET"]),
        Route("/_sandbox/restricted_keys", _restricted_keys(sandbox), methods=["POST"]),
        Route("/_sandbox/customer_discount", _customer_discount(sandbox), methods=["POST"]),
        Route("/_sandbox/order_sync", _order_sync(sandbox), methods=["POST"]),
        *org_routes(sandbox),
    ]
    return Starlette(
        routes=[Route("/_sandbox/", _index(knobs), methods=["GET"]), *knobs],
        exception_handlers={ValueError: _refused},
    )


def _index(knobs: list[Route]) -> Endpoint:
    """What can be turned here, for somebody who has no more than the address."""

    async def index(_request: Request) -> Response:
        return JSONResponse(
            {
                "endpoints": {
                    knob.path: sorted(set(knob.methods or ()) - {"HEAD"}) for knob in knobs
                },
                "pages": ["/_pages/clock", "/_pages/faults", "/_pages/switches", "/_pages/calls"],
            }
        )

    return index


async def _refused(_request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, status_code=400)


def _clock(sandbox: "Sandbox") -> Endpoint:
    async def clock(request: Request) -> Response:
        if request.method == "POST":
            body = await read_body(request, {"advance_seconds", "set"})
            if "advance_seconds" in body:
                sandbox.clock.advance(timedelta(seconds=number_in(body, "advance_seconds")))
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
            body = await read_body(request, {"latency", *FaultRule.__dataclass_fields__})
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
            plan.latency[_service(name)] = int(number_in(latency, name))
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
            body = await read_body(request, {switch.name for switch in SWITCHES})
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


def _keys(sandbox: "Sandbox") -> Endpoint:
    """What opens the two services. None of it opens anything real."""

    async def keys(_request: Request) -> Response:
        salesforce = sandbox.salesforce
        return JSONResponse(
            {
                "stripe": {"test": sandbox.stripe.api_key, "live": sandbox.stripe.live_api_key},
                "salesforce": {
                    "integration_user": salesforce.access_token,
                    "coupon_user": salesforce.coupon_user_token,
                },
            }
        )

    return keys


def _restricted_keys(sandbox: "Sandbox") -> Endpoint:
    async def restricted_keys(request: Request) -> Response:
        body = await read_body(request, {"permissions", "livemode"})
        permissions = body.get("permissions")
        if not isinstance(permissions, list):
            raise BadControlError('Send {"permissions": ["rak_coupon_read", ...]}.')
        livemode = body.get("livemode", False) is True
        key = sandbox.stripe.restricted_key(*(str(one) for one in permissions), livemode=livemode)
        return JSONResponse({"api_key": key})

    return restricted_keys


def _customer_discount(sandbox: "Sandbox") -> Endpoint:
    async def customer_discount(request: Request) -> Response:
        body = await read_body(request, {"customer", "coupon"})
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


def _service(name: JsonValue) -> ServiceName:
    if name == "stripe":
        return "stripe"
    if name == "salesforce":
        return "salesforce"
    raise BadControlError(f"service is stripe or salesforce, not {name!r}.")
