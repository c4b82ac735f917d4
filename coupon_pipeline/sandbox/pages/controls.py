"""Pages to advance the clock, arm a fault, turn a switch and see the requests; on both servers."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from importlib.resources import files
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from coupon_pipeline.sandbox.calls import ServiceName
from coupon_pipeline.sandbox.faults import ANSWER_KINDS, TRANSPORT_KINDS, FaultRule
from coupon_pipeline.sandbox.pages.view import (
    Cell,
    Choice,
    Form,
    Frame,
    Page,
    Paging,
    Table,
    render,
)
from coupon_pipeline.sandbox.switches import SWITCHES, positions, turn

if TYPE_CHECKING:  # the sandbox serves this module
    from coupon_pipeline.sandbox.serving import Sandbox

STEPS: Final = {"1": "an hour", "24": "a day", "168": "a week", "744": "31 days", "8784": "a year"}
CONTROL_MENU: Final = (
    Cell("Clock", "/_pages/clock"),
    Cell("Faults", "/_pages/faults"),
    Cell("Switches", "/_pages/switches"),
    Cell("Requests", "/_pages/calls"),
)
METHODS: Final = ("", "GET", "POST", "PATCH", "DELETE")

MakeFrame: TypeAlias = Callable[[Request], Frame]
Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]


def control_routes(sandbox: "Sandbox", service: ServiceName, frame: MakeFrame) -> list[Route]:
    """The routes of these pages on one of the servers."""
    return [
        Route("/_pages/sandbox.css", _stylesheet),
        _page("/_pages/clock", frame, lambda _: _clock_page(sandbox), _advance(sandbox)),
        _page("/_pages/faults", frame, lambda _: _faults_page(sandbox, service), _arm(sandbox)),
        _page("/_pages/switches", frame, lambda _: _switches_page(sandbox), _turn(sandbox)),
        _page("/_pages/calls", frame, lambda request: _calls_page(sandbox, service, request), None),
    ]


async def _stylesheet(_request: Request) -> Response:
    text = files(__package__).joinpath("static/sandbox.css").read_text(encoding="utf-8")
    return Response(text, media_type="text/css", headers={"Cache-Control": "no-cache"})


def _page(
    path: str,
    frame: MakeFrame,
    show: Callable[[Request], Page],
    act: Callable[[dict[str, str]], None] | None,
) -> Route:
    async def endpoint(request: Request) -> Response:
        if request.method != "POST" or act is None:
            return render(show(request), frame(request))
        if not _from_here(request):
            return Response("This form is for this page only.", status_code=403)
        form = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
        try:
            act(form)
        except ValueError as error:
            problem = Page(
                "That did not work", lead=str(error), trail=(Cell("Back", path),), status=400
            )
            return render(problem, frame(request))
        return RedirectResponse(path, status_code=303)

    return Route(path, endpoint, methods=["GET"] if act is None else ["GET", "POST"])


def _from_here(request: Request) -> bool:
    """Whether the form was on our page: another site's page could post to this machine too."""
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def _clock_page(sandbox: "Sandbox") -> Page:
    now = sandbox.clock.now()
    state = "It stands still." if sandbox.clock.frozen else "It ticks with real time."
    return Page(
        f"{now:%A, %d %B %Y, %H:%M:%S} UTC",
        kicker="The sandbox's clock",
        lead=f"{state} Moving it forward finalises the invoices that fall due and starts the "
        "phases of schedules. It never goes back.",
        sections=(
            Form(
                "Move forward",
                "/_pages/clock",
                "Move the clock",
                (Choice("hours", "By", "744", tuple(STEPS.items())),),
            ),
            Form(
                "Move to a moment",
                "/_pages/clock",
                "Move the clock there",
                (
                    Choice(
                        "to",
                        "Date and time, UTC",
                        f"{now + timedelta(days=1):%Y-%m-%dT%H:%M}",
                        input_type="datetime-local",
                        hint="Later than now.",
                    ),
                ),
            ),
        ),
    )


def _advance(sandbox: "Sandbox") -> Callable[[dict[str, str]], None]:
    def advance(form: dict[str, str]) -> None:
        if form.get("to"):
            sandbox.advance_to(form["to"])
        else:
            sandbox.clock.advance(timedelta(hours=int(form["hours"])))

    return advance


def _faults_page(sandbox: "Sandbox", service: ServiceName) -> Page:
    rows = [
        (
            Cell(str(number)),
            Cell(rule.service),
            Cell(rule.kind, code=True),
            Cell(rule.method or "any"),
            Cell(rule.path or "any", code=rule.path is not None),
            Cell("for ever" if rule.times is None else str(rule.times)),
            Cell(str(struck), number=True),
        )
        for number, rule, struck in sandbox.faults.rules()
    ]
    kinds = {**TRANSPORT_KINDS, **ANSWER_KINDS[service]}
    return Page(
        "Faults",
        kicker="What goes wrong on request",
        lead="A fault strikes the next requests that fit. These pages and the control API are "
        "never struck.",
        sections=(
            Table(
                "Armed",
                "Faults of both services, in the order in which they are tried",
                ("No.", "Service", "Kind", "Method", "Path", "Times", "Struck"),
                rows,
                empty="No fault is armed.",
            ),
            Form(
                "Arm a fault",
                "/_pages/faults",
                "Arm the fault",
                (
                    Choice(
                        "kind",
                        "Kind",
                        "cut_after",
                        tuple((kind, f"{kind}: {says}") for kind, says in kinds.items()),
                    ),
                    Choice("method", "Method", "", tuple((one, one or "any") for one in METHODS)),
                    Choice(
                        "path",
                        "Path",
                        hint="A regular expression searched in path and query; empty for any.",
                    ),
                    Choice("after", "Let so many pass first", "0", input_type="number"),
                    Choice("times", "Times", "1", hint="Empty for ever.", input_type="number"),
                    Choice(
                        "milliseconds",
                        "Milliseconds, for slow and refused",
                        "1000",
                        input_type="number",
                    ),
                ),
                hidden={"service": service, "do": "arm"},
            ),
            Form("Disarm", "/_pages/faults", "Disarm all faults", hidden={"do": "disarm"}),
        ),
    )


def _arm(sandbox: "Sandbox") -> Callable[[dict[str, str]], None]:
    def arm(form: dict[str, str]) -> None:
        if form.get("do") == "disarm":
            sandbox.faults.disarm()
            return
        sandbox.faults.arm(
            FaultRule(
                service="stripe" if form["service"] == "stripe" else "salesforce",
                kind=form["kind"],
                method=form["method"] or None,
                path=form["path"] or None,
                after=int(form["after"] or 0),
                times=int(form["times"]) if form["times"] else None,
                milliseconds=int(form["milliseconds"] or 0),
            )
        )

    return arm


def _switches_page(sandbox: "Sandbox") -> Page:
    present = positions(sandbox.switches)
    return Page(
        "Switches",
        kicker="What is not confirmed about the real services",
        lead="The pipeline has to be right whichever way each of these is turned.",
        sections=[
            Form(
                switch.name.replace("_", " "),
                "/_pages/switches",
                "Turn",
                (
                    Choice(
                        switch.name,
                        "Choice",
                        present[switch.name],
                        tuple((one, one) for one in switch.choices),
                        hint=f"Unless turned: {switch.default}.",
                    ),
                ),
                note=switch.unconfirmed,
            )
            for switch in SWITCHES
        ],
    )


def _turn(sandbox: "Sandbox") -> Callable[[dict[str, str]], None]:
    def turn_one(form: dict[str, str]) -> None:
        turn(sandbox.switches, form)
        sandbox.remember()

    return turn_one


def _calls_page(sandbox: "Sandbox", service: ServiceName, request: Request) -> Page:
    counts = [
        (Cell(path, code=True), Cell(method), Cell(str(count), number=True))
        for name, method, path, count in sandbox.calls.counts()
        if name == service
    ]
    calls = sandbox.calls.all(service)[::-1]
    paging = Paging.of(len(calls), request.query_params.get("page"), "/_pages/calls")
    latest = [
        (
            Cell(str(call.number)),
            Cell(call.method),
            Cell(f"{call.path}?{call.query}" if call.query else call.path, code=True),
            Cell(
                str(call.status or "cut"),
                number=True,
                tone="plain" if 0 < call.status < 400 else "warn",  # noqa: PLR2004 - HTTP
            ),
            Cell(call.fault or "", code=True),
        )
        for call in calls[paging.rows]
    ]
    return Page(
        "Requests",
        kicker="What came in over the API",
        sections=(
            Table(
                "By endpoint",
                "How often each endpoint was called",
                ("Path", "Method", "Requests"),
                counts,
                empty="No request so far.",
            ),
            Table(
                "One by one",
                "Requests, the latest first",
                ("No.", "Method", "Path and query", "Status", "Fault"),
                latest,
                empty="No request so far.",
                paging=paging,
            ),
        ),
    )
