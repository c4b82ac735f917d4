"""Requests to an org: time limits, retries, quota, errors."""

from decimal import Decimal

import pytest

from coupon_pipeline.salesforce import (
    AccessToken,
    SalesforceQuotaExhausted,
    SalesforceRefused,
    SalesforceUnavailable,
)
from coupon_pipeline.salesforce.session import connect
from tests.salesforce.scripted import CREDENTIALS, DATA, DOWN, Open, Reply, ScriptedServer, Waits


def test_nothing_is_sent_before_the_first_request(
    server: ScriptedServer, open_session: Open
) -> None:
    """Building the edge must not need a network: Dagster does it when it loads."""
    session = open_session(CREDENTIALS)

    assert server.requests == []
    assert session.calls == 0


def test_numbers_are_read_exactly(server: ScriptedServer, open_session: Open) -> None:
    """A float loses the cents of a large amount."""
    server.say(Reply(body='{"Amount_Off__c": 1234567890123456.78, "Quantity": 1.0}'))

    answer = open_session().call("GET", "query", what="Asking")

    assert answer == {"Amount_Off__c": Decimal("1234567890123456.78"), "Quantity": Decimal("1.0")}


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_redirect_is_not_followed(
    server: ScriptedServer, open_session: Open, scheme: str
) -> None:
    """The token would go with it, and a write would become a read."""
    elsewhere = server.url.replace("http", scheme, 1) + "/elsewhere"
    server.say(Reply(302, {}, {"Location": elsewhere}))

    for method in ("GET", "PATCH"):
        with pytest.raises(SalesforceRefused) as caught:
            open_session().call(method, "limits", {}, what="Asking")
        assert caught.value.code == "salesforce.redirected"

    assert [request.path for request in server.requests] == [f"{DATA}limits"] * 2


def test_a_silent_server_is_given_up(
    server: ScriptedServer, open_session: Open, waits: Waits
) -> None:
    """Without a time limit, which simple-salesforce does not set, a run hangs for days."""
    server.say(Reply(hang=True))

    with pytest.raises(SalesforceUnavailable) as caught:
        open_session(read_seconds=0.05, pacing=waits.pacing(attempts=2)).call(
            "GET", "limits", what="Asking"
        )

    assert not caught.value.not_done
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "fault",
    [
        DOWN,
        Reply(500, [{"errorCode": "UNKNOWN_EXCEPTION", "message": "."}]),
        Reply(400, [{"errorCode": "UNABLE_TO_LOCK_ROW", "message": "."}]),
        Reply(429, []),
        Reply(200, '{"records": [', {}),
        Reply(200, "null"),
        Reply(200, "5"),
        Reply(200, "[" * 100_000),
        Reply(cut=True),
    ],
)
def test_a_read_is_tried_again_after_a_passing_fault(
    server: ScriptedServer, open_session: Open, fault: Reply, waits: Waits
) -> None:
    """A read changes nothing, so it can be repeated."""
    server.say(fault, fault, Reply(body={"ok": True}))

    assert open_session().call("GET", "limits", what="Asking") == {"ok": True}
    assert waits.waited == [0.5, 1.0]


def test_retries_end(server: ScriptedServer, open_session: Open, waits: Waits) -> None:
    """Number and time are both bounded: an outage ends the run, it does not hang it."""
    server.say(DOWN)

    with pytest.raises(SalesforceUnavailable):
        open_session(pacing=waits.pacing(attempts=4)).call("GET", "x", what="Asking")
    assert len(server.requests) == 4

    waits.waited.clear()
    with pytest.raises(SalesforceUnavailable):
        open_session(pacing=waits.pacing(attempts=99, total_seconds=10)).call(
            "GET", "x", what="Asking"
        )
    assert sum(waits.waited) <= 10
    assert len(server.requests) < 4 + 99


def test_what_may_not_be_made_twice_is_not_sent_twice(
    server: ScriptedServer, open_session: Open
) -> None:
    """A create whose answer was lost may have been made."""
    server.say(Reply(cut=True))

    with pytest.raises(SalesforceUnavailable) as caught:
        open_session().call("POST", "composite/sobjects", {}, what="Writing", repeatable=False)

    assert len(server.requests) == 1
    assert not caught.value.not_done


def test_what_never_left_may_be_sent_again(waits: Waits) -> None:
    """Where nobody listens nothing was made."""
    session = connect(
        "http://127.0.0.1:1", AccessToken("t"), "67.0", pacing=waits.pacing(attempts=3)
    )

    with pytest.raises(SalesforceUnavailable) as caught:
        session.call("POST", "composite/sobjects", {}, what="Writing", repeatable=False)

    assert caught.value.not_done
    assert session.calls == 3


def test_the_quota_is_read_from_every_answer(server: ScriptedServer, open_session: Open) -> None:
    """An org's daily requests are shared with everybody else's integrations."""
    server.say(
        Reply(body={}, headers={"Sforce-Limit-Info": "api-usage=18/5000"}),
        Reply(
            404,
            [{"errorCode": "NOT_FOUND"}],
            {"Sforce-Limit-Info": "api-usage=19/5000; per-app-api-usage=17/250(appName=x)"},
        ),
    )
    session = open_session()

    session.call("GET", "limits", what="Asking")
    assert session.quota is not None
    assert (session.quota.used, session.quota.allowed) == (18, 5000)

    with pytest.raises(SalesforceRefused):
        session.call("GET", "nothing", what="Asking")
    assert session.quota.share == Decimal("0.0038")


def test_a_share_of_the_quota_is_not_gone_beyond(
    server: ScriptedServer, open_session: Open, waits: Waits
) -> None:
    """Using up the org's requests would stop its sales people, not only us."""
    server.say(Reply(body={}, headers={"Sforce-Limit-Info": "api-usage=4000/5000"}))
    session = open_session(quota_share="0.8")
    session.call("GET", "limits", what="Asking")

    with pytest.raises(SalesforceQuotaExhausted):
        session.call("GET", "limits", what="Asking")

    assert len(server.requests) == 1
    assert waits.waited == []


def test_an_exhausted_quota_is_not_tried_again(
    server: ScriptedServer, open_session: Open, waits: Waits
) -> None:
    """It takes hours to come back."""
    server.say(Reply(403, [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests"}]))

    with pytest.raises(SalesforceQuotaExhausted):
        open_session().call("GET", "limits", what="Asking")

    assert len(server.requests) == 1
    assert waits.waited == []
