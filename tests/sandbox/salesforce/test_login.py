"""Every way in that simple-salesforce knows, and sessions that end."""

from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from simple_salesforce.exceptions import SalesforceAuthenticationFailed, SalesforceExpiredSession

from coupon_pipeline.sandbox.salesforce.foundation import INTEGRATION_USERNAME
from coupon_pipeline.sandbox.salesforce.login import ConnectedApp
from coupon_pipeline.sandbox.salesforce.service import PASSWORD
from tests.sandbox.salesforce.orgs import Served, code_of

KEY = "3MVG9.key"
SECRET = "secret"
COUNT = "SELECT COUNT() FROM User"


def key_pair() -> tuple[str, str]:
    private = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem.decode(), public.decode()


def test_soap_password_jwt_and_client_credentials_all_get_in(org: Served) -> None:
    """The login host is another than the org's; both lead here."""
    private, _ = key_pair()
    clients = [
        org.login(username=INTEGRATION_USERNAME, password=PASSWORD, security_token="token"),
        org.login(
            username=INTEGRATION_USERNAME,
            password=PASSWORD,
            consumer_key=KEY,
            consumer_secret=SECRET,
        ),
        org.login(username=INTEGRATION_USERNAME, consumer_key=KEY, privatekey=private),
        org.login(consumer_key=KEY, consumer_secret=SECRET, domain="acme.my"),
    ]

    for client in clients:
        assert client.sf_instance == "acme.my.salesforce.com"
        assert client.query(COUNT)["totalSize"] == 2


def test_a_registered_app_needs_its_own_key(org: Served) -> None:
    """An assertion signed by another key is refused."""
    private, public = key_pair()
    other, _ = key_pair()
    org.service.sessions.apps[KEY] = ConnectedApp(KEY, SECRET, public)

    org.login(username=INTEGRATION_USERNAME, consumer_key=KEY, privatekey=private)

    with pytest.raises(SalesforceAuthenticationFailed) as refused:
        org.login(username=INTEGRATION_USERNAME, consumer_key=KEY, privatekey=other)
    assert refused.value.code == "invalid_grant"
    with pytest.raises(SalesforceAuthenticationFailed):
        org.login(consumer_key=KEY, consumer_secret="wrong", domain="acme.my")


def test_an_assertion_is_valid_for_minutes_only(org: Served) -> None:
    """Its end lies in the near future, and there is a subject."""
    private, _ = key_pair()

    def token(**claims: object) -> int:
        assertion = jwt.encode(claims, private, algorithm="RS256")
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "assertion": assertion,
        }
        return org.ask("POST", "/services/oauth2/token", data=form).status_code

    soon = int((datetime.now(UTC) + timedelta(minutes=3)).timestamp())
    login = "https://login.salesforce.com"

    assert token(iss=KEY, sub=INTEGRATION_USERNAME, aud=login, exp=str(soon)) == 200
    assert token(iss=KEY, sub=INTEGRATION_USERNAME, aud=login, exp=str(soon + 3_600)) == 400
    assert token(iss=KEY, sub=INTEGRATION_USERNAME, aud=login, exp="0") == 400
    assert token(iss=KEY, aud=login, exp=str(soon)) == 400


def test_a_wrong_password_is_refused_by_soap_and_by_oauth(org: Served) -> None:
    """SOAP faults carry INVALID_LOGIN; OAuth answers error and error_description."""
    with pytest.raises(SalesforceAuthenticationFailed) as soap:
        org.login(username=INTEGRATION_USERNAME, password="no", security_token="token")
    form = {
        "grant_type": "password",
        "client_id": KEY,
        "client_secret": SECRET,
        "username": INTEGRATION_USERNAME,
        "password": "no",
    }
    oauth = org.ask("POST", "/services/oauth2/token", data=form)

    assert soap.value.code == "INVALID_LOGIN"
    assert oauth.status_code == 400
    assert oauth.json() == {
        "error": "invalid_grant",
        "error_description": "authentication failure",
    }


def test_strangers_get_in_only_while_the_switch_lets_them(org: Served) -> None:
    """A rehearsal with made-up credentials works until real ones are asked for."""
    stranger = {"username": "a@b.example", "password": "x", "security_token": "y"}
    assert org.login(**stranger).query(COUNT)["totalSize"] == 2
    org.switches.salesforce_login = "registered"

    with pytest.raises(SalesforceAuthenticationFailed):
        org.login(**stranger)


def test_a_refresh_token_opens_a_new_session_at_the_address_in_use(org: Served) -> None:
    """A client on the loopback address is told that address, over plain http."""
    refresh = org.service.sessions.refresh_token(org.service.integration_user)
    form = {"grant_type": "refresh_token", "client_id": KEY, "refresh_token": refresh}

    answer = org.ask("POST", "/services/oauth2/token", data=form).json()

    assert answer["instance_url"] == org.url
    assert answer["id"].endswith(f"/id/{org.service.org_id}/{org.service.integration_user.id}")
    bearer = {"Authorization": f"Bearer {answer['access_token']}"}
    info = org.ask("GET", "/services/oauth2/userinfo", headers=bearer).json()
    assert info["organization_id"] == org.service.org_id
    assert info["user_id"] == org.service.integration_user.id
    assert org.ask("GET", answer["id"].removeprefix(org.url), headers=bearer).status_code == 200


def test_the_address_after_a_login_can_be_reached_by_the_client_that_logged_in(
    org: Served,
) -> None:
    """simple-salesforce dials https whatever it is told: an adapter needs a name to redirect."""

    def token_address() -> str:
        form = {"grant_type": "client_credentials", "client_id": KEY, "client_secret": SECRET}
        answer = org.ask("POST", "/services/oauth2/token", data=form).json()
        return str(answer["instance_url"])

    envelope = (
        '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>'
        '<n:login xmlns:n="urn:partner.soap.sforce.com"><n:username>a@b.example</n:username>'
        "<n:password>x</n:password></n:login></e:Body></e:Envelope>"
    )
    soap = org.ask("POST", "/services/Soap/u/64.0", data=envelope)
    as_called = token_address()
    org.switches.salesforce_instance_url = "my_domain"

    assert "<serverUrl>https://acme.my.salesforce.com/services/Soap/u/64.0/" in soap.text
    assert as_called == org.url
    assert token_address() == "https://acme.my.salesforce.com"


def test_a_session_ends_with_401_and_a_client_with_credentials_comes_back(org: Served) -> None:
    """Expired, revoked and unknown tokens all look alike."""
    lasting = org.login(username=INTEGRATION_USERNAME, password=PASSWORD, security_token="")
    fixed = org.client()
    org.service.sessions.expire_all()

    assert lasting.query(COUNT)["totalSize"] == 2
    with pytest.raises(SalesforceExpiredSession) as expired:
        fixed.query(COUNT)
    assert code_of(expired.value) == "INVALID_SESSION_ID"


def test_a_session_can_have_a_lifetime(org: Served) -> None:
    """It is measured by the sandbox's clock."""
    org.service.sessions.lifetime = timedelta(minutes=15)
    client = org.client(org.service.sessions.open(org.service.integration_user))
    client.query(COUNT)
    org.clock.advance(timedelta(minutes=15))

    with pytest.raises(SalesforceExpiredSession):
        client.query(COUNT)
