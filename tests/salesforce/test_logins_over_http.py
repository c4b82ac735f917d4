"""Logging in: where it goes, how often, and what is said when it fails."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from coupon_pipeline.salesforce import (
    JwtLogin,
    Login,
    PasswordLogin,
    SalesforceEdge,
    SalesforceLoginFailed,
    SalesforceUnavailable,
)
from coupon_pipeline.sandbox.salesforce import SalesforceService
from tests.salesforce.scripted import (
    CREDENTIALS,
    DATA,
    DOWN,
    EXPIRED,
    Open,
    Reply,
    ScriptedServer,
    TokenServer,
    Waits,
)


@pytest.mark.parametrize("way", ["jwt", "client_credentials", "password"])
def test_each_way_to_log_in_goes_to_the_configured_address(
    server: ScriptedServer, open_session: Open, key_file: Path, way: str
) -> None:
    """simple-salesforce would send every login to a host of its own making."""
    TokenServer(server)
    logins: dict[str, Login] = {
        "jwt": JwtLogin("user@acme.test", "key", key_file),
        "client_credentials": CREDENTIALS,
        "password": PasswordLogin("user@acme.test", "word", "security"),
    }

    session = open_session(logins[way])

    assert session.call("GET", "limits", what="Asking") == {"ok": True}
    assert [request.method for request in server.requests] == ["POST", "GET"]
    assert server.requests[1].path == f"{DATA}limits"
    assert session.calls == 2


def test_a_jwt_names_the_user_and_the_audience(
    server: ScriptedServer, open_session: Open, key_file: Path
) -> None:
    """A sandbox refuses an assertion that is meant for production."""
    TokenServer(server)

    open_session(JwtLogin("user@acme.test", "key", key_file)).call("GET", "limits", what="Asking")

    form = parse_qs(server.requests[0].body)
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    assert form["assertion"][0].count(".") == 2


def test_an_expired_session_is_renewed_once_and_the_request_repeated(
    server: ScriptedServer, open_session: Open
) -> None:
    """Sessions end after some hours; a run must not end with them."""
    tokens = TokenServer(server)
    session = open_session(CREDENTIALS)
    session.call("GET", "limits", what="Asking")
    tokens.expire()

    assert session.call("GET", "limits", what="Asking") == {"ok": True}
    assert [request.token for request in server.requests if request.method == "GET"] == [
        "token-1",
        "token-1",
        "token-3",
    ]


def test_a_session_that_is_refused_for_ever_ends_the_call(
    server: ScriptedServer, open_session: Open, waits: Waits
) -> None:
    """simple-salesforce alone makes close to a thousand requests out of this one."""
    server.answer = lambda request: (
        EXPIRED
        if request.method == "GET"
        else Reply(body={"access_token": "token", "instance_url": server.url})
    )

    with pytest.raises(SalesforceLoginFailed) as caught:
        open_session(CREDENTIALS).call("GET", "limits", what="Asking")

    assert caught.value.code == "salesforce.session_refused"
    assert [request.method for request in server.requests] == ["POST", "GET", "POST", "GET"]
    assert waits.waited == []


def test_an_access_token_that_expired_is_named(server: ScriptedServer, open_session: Open) -> None:
    """It cannot be renewed; the fix is to set another."""
    server.say(EXPIRED)

    with pytest.raises(SalesforceLoginFailed) as caught:
        open_session().call("GET", "limits", what="Asking")

    assert len(server.requests) == 1
    assert "SALESFORCE_ACCESS_TOKEN" in caught.value.fix


def test_of_many_threads_one_renews_the_session(server: ScriptedServer, open_session: Open) -> None:
    """Each login ends somebody's session sooner or later, and counts against a limit of its own."""
    tokens = TokenServer(server)
    session = open_session(CREDENTIALS)
    session.call("GET", "limits", what="Asking")
    tokens.expire()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: session.call("GET", "limits", what="Asking"), range(32)))

    assert answers == [{"ok": True}] * 32
    assert sum(request.method == "POST" for request in server.requests) == 2
    assert session.calls == len(server.requests)


@pytest.mark.parametrize(
    "refusal",
    [
        Reply(400, {"error": "invalid_grant", "error_description": "user is inactive"}),
        Reply(
            400, {"error": "invalid_client_id", "error_description": "client identifier invalid"}
        ),
    ],
)
def test_refused_credentials_are_not_tried_again(
    server: ScriptedServer, open_session: Open, refusal: Reply, waits: Waits
) -> None:
    """Repeated bad logins lock the user out."""
    server.say(refusal)

    with pytest.raises(SalesforceLoginFailed) as caught:
        open_session(CREDENTIALS).call("GET", "limits", what="Asking")

    assert len(server.requests) == 1
    assert waits.waited == []
    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in repr(caught.value.__cause__)


@pytest.mark.parametrize("answer", [DOWN, Reply(500, [{"errorCode": "X"}]), Reply(200, {})])
def test_a_login_server_that_is_down_is_tried_again(
    server: ScriptedServer, open_session: Open, answer: Reply, waits: Waits
) -> None:
    """An outage of the login is no fault of the credentials."""
    server.say(answer)

    with pytest.raises(SalesforceUnavailable):
        open_session(CREDENTIALS, pacing=waits.pacing(attempts=3)).call("GET", "x", what="Asking")

    assert len(server.requests) == 3


def test_a_private_key_that_is_no_key_is_named(
    server: ScriptedServer, open_session: Open, tmp_path: Path
) -> None:
    """The message says which setting to look at, and not what is in the file."""
    file = tmp_path / "key.pem"
    file.write_text("s3cret but no key")

    for key_file in (file, tmp_path / "nothing"):
        with pytest.raises(SalesforceLoginFailed) as caught:
            open_session(JwtLogin("u", "k", key_file)).call("GET", "limits", what="Asking")
        assert "SALESFORCE_PRIVATE_KEY_FILE" in caught.value.fix
        assert "s3cret" not in str(caught.value)

    assert server.requests == []


def test_a_login_for_another_org_is_not_used(server: ScriptedServer, open_session: Open) -> None:
    """Coupons of one org must not be read with the address of another."""
    server.say(Reply(body={"access_token": "t", "instance_url": "https://other.my.salesforce.com"}))

    with pytest.raises(SalesforceLoginFailed) as caught:
        open_session(CREDENTIALS).call("GET", "limits", what="Asking")

    assert caught.value.code == "salesforce.other_instance"
    assert "https://other.my.salesforce.com" in caught.value.fix


def test_a_silent_login_is_given_up(
    server: ScriptedServer, open_session: Open, waits: Waits
) -> None:
    """The time limits hold for the login requests, which are not ours to pass arguments to."""
    server.say(Reply(hang=True))

    with pytest.raises(SalesforceUnavailable):
        open_session(CREDENTIALS, read_seconds=0.05, pacing=waits.pacing(attempts=1)).call(
            "GET", "limits", what="Asking"
        )

    assert len(server.requests) == 1


@pytest.mark.parametrize("way", ["jwt", "client_credentials", "password"])
def test_each_way_to_log_in_opens_an_org(
    salesforce: SalesforceService, key_file: Path, way: str
) -> None:
    """The same against a server that checks what a login holds."""
    logins: dict[str, Login] = {
        "jwt": JwtLogin(salesforce.integration_user.username, "key", key_file),
        "client_credentials": CREDENTIALS,
        "password": PasswordLogin(
            salesforce.integration_user.username, salesforce.integration_user.password, "token"
        ),
    }
    edge = SalesforceEdge(
        salesforce.instance_url, logins[way], namespace="stripeConnector", api_version="67.0"
    )

    assert edge.read_org().org_id == salesforce.org_id
    assert edge.calls == 2
    edge.close()
