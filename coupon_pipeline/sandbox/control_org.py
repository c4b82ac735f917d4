"""Turning the knobs of the Salesforce side over HTTP: triggers, visibility, locks, sessions."""

from datetime import timedelta
from typing import TYPE_CHECKING, get_args

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from coupon_pipeline.sandbox.control_body import (
    BadControlError,
    Body,
    Endpoint,
    number_in,
    read_body,
    whole_in,
)
from coupon_pipeline.sandbox.salesforce import SalesforceService
from coupon_pipeline.sandbox.salesforce.ids import to_18
from coupon_pipeline.sandbox.salesforce.trigger import Mode
from coupon_pipeline.sandbox.salesforce.users import User
from coupon_pipeline.sandbox.switches import turn

if TYPE_CHECKING:  # the sandbox serves this module
    from coupon_pipeline.sandbox.serving import Sandbox

MODES: tuple[Mode, ...] = get_args(Mode)


def org_routes(sandbox: "Sandbox") -> list[Route]:
    """The control endpoints of the org."""
    return [
        Route("/_sandbox/trigger", _trigger(sandbox), methods=["GET", "POST", "DELETE"]),
        Route("/_sandbox/late_rows", _late_rows(sandbox), methods=["GET", "POST", "DELETE"]),
        Route("/_sandbox/locked_rows", _locked_rows(sandbox), methods=["GET", "POST", "DELETE"]),
        Route("/_sandbox/sessions", _sessions(sandbox), methods=["GET", "POST", "DELETE"]),
        Route("/_sandbox/api_usage", _api_usage(sandbox), methods=["GET", "POST"]),
        Route("/_sandbox/locators", _locators(sandbox), methods=["DELETE"]),
        Route("/_sandbox/hidden_fields", _hidden(sandbox), methods=["GET", "POST", "DELETE"]),
    ]


def _trigger(sandbox: "Sandbox") -> Endpoint:
    """What the package's trigger does at activation: for some orders, or for all."""

    async def trigger(request: Request) -> Response:
        trigger = sandbox.salesforce.trigger
        if request.method == "DELETE":
            trigger.modes.clear()
        if request.method == "POST":
            body = await read_body(request, {"mode", "orders", "delay_seconds"})
            if "delay_seconds" in body:
                trigger.delay = timedelta(seconds=number_in(body, "delay_seconds"))
            if "mode" in body:
                _set_mode(sandbox, _mode(body["mode"]), body.get("orders"))
            elif "delay_seconds" not in body:
                raise BadControlError(f"mode is one of {', '.join(MODES)}.")
        return JSONResponse(
            {
                "mode": sandbox.switches.salesforce_activation_trigger,
                "orders": trigger.modes,
                "delay_seconds": trigger.delay.total_seconds(),
                "failures": trigger.failures,
                "modes": list(MODES),
            }
        )

    return trigger


def _mode(name: object) -> Mode:
    for mode in MODES:
        if mode == name:
            return mode
    raise BadControlError(f"mode is one of {', '.join(MODES)}.")


def _set_mode(sandbox: "Sandbox", mode: Mode, orders: object) -> None:
    if orders is None:
        turn(sandbox.switches, {"salesforce_activation_trigger": mode})
        sandbox.remember()
        return
    if not isinstance(orders, list):
        raise BadControlError("orders is a list of ids; left out, the mode is for all orders.")
    modes = {_record_id(sandbox.salesforce, order, "Order"): mode for order in orders}
    sandbox.salesforce.trigger.modes.update(modes)


def _late_rows(sandbox: "Sandbox") -> Endpoint:
    """After how many seconds a new record of an object is seen, whatever its stamp says."""

    async def late_rows(request: Request) -> Response:
        late = sandbox.salesforce.writer.late_by
        if request.method == "DELETE":
            late.clear()
        if request.method == "POST":
            body = await read_body(request, {"object", "seconds"})
            key = str(body.get("object"))
            if key not in sandbox.salesforce.schema.objects:
                names = ", ".join(sandbox.salesforce.schema.objects)
                raise BadControlError(f"object is one of {names}.")
            late[key] = whole_in(body, "seconds")
        return JSONResponse(late)

    return late_rows


def _locked_rows(sandbox: "Sandbox") -> Endpoint:
    """How often changes of a record will still find it locked by somebody else."""

    async def locked_rows(request: Request) -> Response:
        locked = sandbox.salesforce.writer.locked
        if request.method == "DELETE":
            locked.clear()
        if request.method == "POST":
            body = await read_body(request, {"id", "times"})
            record_id = _record_id(sandbox.salesforce, body.get("id"))
            locked[record_id] = whole_in(body, "times") if "times" in body else 1
        return JSONResponse({record_id: times for record_id, times in locked.items() if times})

    return locked_rows


def _sessions(sandbox: "Sandbox") -> Endpoint:
    """Open one for a user, give new ones a lifetime, end them all."""

    async def sessions(request: Request) -> Response:
        salesforce = sandbox.salesforce
        answer: Body = {}
        if request.method == "DELETE":
            salesforce.sessions.expire_all()
        if request.method == "POST":
            body = await read_body(request, {"user", "lifetime_seconds"})
            if "lifetime_seconds" in body:
                lifetime = body["lifetime_seconds"]
                salesforce.sessions.lifetime = (
                    None
                    if lifetime is None
                    else timedelta(seconds=number_in(body, "lifetime_seconds"))
                )
            if "user" in body:
                answer["access_token"] = salesforce.sessions.open(_user(salesforce, body["user"]))
        ends = salesforce.sessions.lifetime
        answer["lifetime_seconds"] = None if ends is None else ends.total_seconds()
        answer["users"] = list(salesforce.sessions.users)
        return JSONResponse(answer)

    return sessions


def _user(salesforce: SalesforceService, name: object) -> User:
    user = salesforce.sessions.users.get(str(name))
    if user is None:
        raise BadControlError(f"user is one of {', '.join(salesforce.sessions.users)}.")
    return user


def _api_usage(sandbox: "Sandbox") -> Endpoint:
    """The calls of the day, and how many there are; at the limit every call is refused."""

    async def api_usage(request: Request) -> Response:
        usage = sandbox.salesforce.org.usage
        if request.method == "POST":
            body = await read_body(request, {"used", "limit"})
            usage.used = whole_in(body, "used") if "used" in body else usage.used
            usage.limit = whole_in(body, "limit") if "limit" in body else usage.limit
        return JSONResponse({"used": usage.used, "limit": usage.limit})

    return api_usage


def _locators(sandbox: "Sandbox") -> Endpoint:
    """End the cursors of all queries that are being paged through."""

    async def locators(_request: Request) -> Response:
        sandbox.salesforce.org.queries.expire_locators()
        return JSONResponse({})

    return locators


def _hidden(sandbox: "Sandbox") -> Endpoint:
    """Take a field or an object from the integration user, as a missing permission set does."""

    async def hidden(request: Request) -> Response:
        access = sandbox.salesforce.integration_user.access
        if request.method == "DELETE":
            access.hidden_objects.clear()
            access.hidden_fields.clear()
        if request.method == "POST":
            body = await read_body(request, {"object", "field"})
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


def _record_id(salesforce: SalesforceService, given: object, kind: str | None = None) -> str:
    record_id = to_18(given) if isinstance(given, str) else None
    table = None if record_id is None else salesforce.store.table_of(record_id)
    if record_id is None or table is None or record_id not in table.rows:
        raise BadControlError(f"{given!r} is no id of a record.")
    if kind is not None and table.object.key != kind:
        raise BadControlError(f"{given!r} is no id of an {kind}.")
    return record_id
