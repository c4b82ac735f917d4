"""Faults on request, over real connections."""

import http.client
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from coupon_pipeline.sandbox.calls import CallLog, CallLogMiddleware
from coupon_pipeline.sandbox.faults import (
    ANSWER_KINDS,
    FaultMiddleware,
    FaultPlan,
    FaultRule,
)
from coupon_pipeline.sandbox.listening import Listener, LoopThread

CUT = (http.client.RemoteDisconnected, ConnectionResetError)


@dataclass
class Counted:
    """A service that counts how often it did its work."""

    plan: FaultPlan = field(default_factory=FaultPlan)
    log: CallLog = field(default_factory=CallLog)
    listener: Listener = field(default_factory=Listener)
    done: int = 0

    def post(self, path: str = "/v1/coupons") -> tuple[int, bytes]:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.listener.port, timeout=5)
        try:
            connection.request("POST", path, body="name=ten")
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def app(self) -> CallLogMiddleware:
        async def work(request: Request) -> Response:
            await request.body()
            self.done += 1
            return JSONResponse({"done": self.done})

        def fault_response(kind: str) -> Response:
            return JSONResponse({"error": kind}, status_code=500)

        service = Starlette(routes=[Route("/{path:path}", work, methods=["POST"])])
        faulty = FaultMiddleware(
            service, service="stripe", plan=self.plan, fault_response=fault_response
        )
        return CallLogMiddleware(faulty, service="stripe", log=self.log)


@pytest.fixture
def counted() -> Iterator[Counted]:
    """The service, listening."""
    service = Counted()
    thread = LoopThread()
    thread.complete(service.listener.open(service.app()))
    yield service
    thread.complete(service.listener.close())
    thread.stop()


def test_without_a_fault_the_service_answers(counted: Counted) -> None:
    """The middleware is in the way of every request."""
    assert counted.post() == (200, b'{"done":1}')


def test_cut_before_does_nothing_and_gives_no_answer(counted: Counted) -> None:
    """What was never done may be done by the next attempt."""
    counted.plan.arm(FaultRule(service="stripe", kind="cut_before"))

    with pytest.raises(CUT):
        counted.post()

    assert counted.done == 0
    assert counted.post()[0] == 200


def test_cut_after_does_the_work_and_gives_no_answer(counted: Counted) -> None:
    """The dangerous one: the client cannot know that it has happened."""
    counted.plan.arm(FaultRule(service="stripe", kind="cut_after"))

    with pytest.raises(CUT):
        counted.post()

    assert counted.done == 1


def test_error_after_does_the_work_and_answers_with_the_services_error(counted: Counted) -> None:
    """A 500 does not mean that nothing happened."""
    counted.plan.arm(FaultRule(service="stripe", kind="error_after"))

    assert counted.post() == (500, b'{"error":"server_error"}')
    assert counted.done == 1


def test_truncated_ends_in_the_middle_of_the_body(counted: Counted) -> None:
    """Half of an answer must not be taken for the whole."""
    counted.plan.arm(FaultRule(service="stripe", kind="truncated"))

    with pytest.raises(http.client.IncompleteRead) as caught:
        counted.post()

    assert caught.value.partial == b'{"don'
    assert counted.done == 1


def test_slow_answers_in_the_end(counted: Counted) -> None:
    """A client with a timeout gives up on it; one without waits."""
    counted.plan.arm(FaultRule(service="stripe", kind="slow", milliseconds=1))

    assert counted.post() == (200, b'{"done":1}')


def test_a_latency_delays_every_request_and_changes_none(counted: Counted) -> None:
    """Rehearsals on a fast machine hide what a slow line brings to light."""
    counted.plan.latency["stripe"] = 1

    assert counted.post() == (200, b'{"done":1}')


@pytest.mark.parametrize("kind", ANSWER_KINDS["stripe"])
def test_an_answer_fault_comes_from_the_service_and_does_no_work(
    counted: Counted, kind: str
) -> None:
    """Each service has its own shape of error."""
    counted.plan.arm(FaultRule(service="stripe", kind=kind))

    assert counted.post() == (500, f'{{"error":"{kind}"}}'.encode())
    assert counted.done == 0


def test_a_rule_strikes_the_requests_that_it_names_and_no_others(counted: Counted) -> None:
    """A test breaks one write in the middle of a run."""
    counted.plan.arm(
        FaultRule(
            service="stripe", kind="conflict", method="POST", path="/coupons$", after=1, times=2
        )
    )

    statuses = [counted.post(path)[0] for path in ["/v1/prices", *["/v1/coupons"] * 4]]

    assert statuses == [200, 200, 500, 500, 200]


def test_a_rule_of_the_other_service_strikes_nothing(counted: Counted) -> None:
    """One plan serves both."""
    counted.plan.arm(FaultRule(service="salesforce", kind="row_locked", times=None))

    assert counted.post()[0] == 200


def test_the_same_seed_strikes_the_same_requests() -> None:
    """A failure found by chance must be found again on purpose."""

    def struck(seed: int) -> list[bool]:
        plan = FaultPlan(seed=seed)
        plan.arm(FaultRule(service="stripe", kind="conflict", probability=0.3, times=None))
        return [plan.choose("stripe", "POST", "/v1/coupons") is not None for _ in range(200)]

    assert struck(1) == struck(1) != struck(2)
    assert 30 < sum(struck(1)) < 90


def test_a_disarmed_rule_strikes_no_more(counted: Counted) -> None:
    """And a plan that is emptied leaves nothing behind."""
    number = counted.plan.arm(FaultRule(service="stripe", kind="conflict", times=None))
    assert counted.post()[0] == 500
    counted.plan.disarm(number)
    assert counted.post()[0] == 200
    counted.plan.arm(FaultRule(service="stripe", kind="conflict", times=None))
    counted.plan.disarm()
    assert counted.post()[0] == 200


def test_an_unknown_kind_is_refused() -> None:
    """A misspelt fault would make a test that proves nothing."""
    with pytest.raises(ValueError, match="no fault 'rate_limits'"):
        FaultRule(service="stripe", kind="rate_limits")


def test_the_log_holds_faulty_requests_too(counted: Counted) -> None:
    """How often a client tried is counted where it cannot be glossed over."""
    counted.plan.arm(FaultRule(service="stripe", kind="cut_before"))
    with pytest.raises(CUT):
        counted.post()
    counted.post("/v1/coupons?limit=1")

    cut, served = counted.log.all("stripe")
    assert (cut.number, cut.status, cut.fault) == (1, 0, "cut_before")
    assert (served.number, served.status, served.fault) == (2, 200, None)
    assert served.form == {"name": "ten"}
    assert served.parameters == {"limit": "1"}


def test_a_closed_listener_refuses_and_comes_back_on_its_port() -> None:
    """A service that is down is not there at all."""
    service = Counted()
    thread = LoopThread()
    app = service.app()
    thread.complete(service.listener.open(app))
    idle = socket.create_connection(("127.0.0.1", service.listener.port), timeout=5)

    thread.complete(service.listener.close())
    with pytest.raises(ConnectionRefusedError):
        service.post()
    idle.close()

    thread.complete(service.listener.reopen(app))
    assert service.post()[0] == 200
    thread.complete(service.listener.close())
    thread.stop()
