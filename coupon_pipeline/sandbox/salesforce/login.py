"""Logging in: OAuth 2.0 tokens, SOAP login, sessions that end.

https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_flows.htm
"""

import base64
import binascii
import hashlib
import json
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape

import jwt

from coupon_pipeline.sandbox.clock import Clock
from coupon_pipeline.sandbox.salesforce.errors import SalesforceError, expired_session
from coupon_pipeline.sandbox.salesforce.users import User
from coupon_pipeline.sandbox.switches import Switches

_JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LONGEST_ASSERTION = timedelta(minutes=3)
_SKEW = timedelta(minutes=2)


@dataclass(slots=True)
class _Session:
    user: User
    ends: datetime | None


@dataclass(frozen=True, slots=True)
class ConnectedApp:
    """A client that may ask for tokens: its secret, its certificate's public key, or both."""

    consumer_key: str
    consumer_secret: str | None = None
    public_key: str | None = None
    run_as: str | None = None
    """The user name behind the client credentials flow."""


class LoginRefusedError(Exception):
    """Credentials are not accepted: OAuth's error and its description."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error
        self.description = description


class Sessions:
    """Tokens and whom they belong to."""

    def __init__(
        self, clock: Clock, switches: Switches, seed: int, org_id: str, users: Mapping[str, User]
    ) -> None:
        self._clock = clock
        self._switches = switches
        self._seed = seed
        self._org_id = org_id
        self._sessions: dict[str, _Session] = {}
        self._refresh_tokens: dict[str, User] = {}
        self.users = dict(users)
        self.apps: dict[str, ConnectedApp] = {}
        self.lifetime: timedelta | None = None
        """How long a new session lasts; None for as long as the sandbox runs."""
        self.issued = 0

    def open(self, user: User, token: str | None = None) -> str:
        """A session for the user; its token is a new one unless given."""
        if token is None:
            self.issued += 1
            token = self._secret(f"session {self.issued} {user.id}")
        ends = None if self.lifetime is None else self._clock.now() + self.lifetime
        self._sessions[token] = _Session(user, ends)
        return token

    def user_of(self, token: str) -> User:
        """Whose token it is, unless it is unknown or its session has ended."""
        session = self._sessions.get(token)
        if session is None:
            raise expired_session()
        if session.ends is not None and session.ends <= self._clock.now():
            raise expired_session()
        return session.user

    def expire(self, token: str) -> None:
        """End a session; its token is refused from now on."""
        self._sessions.pop(token, None)

    def expire_all(self) -> None:
        """End every session, as an administrator can."""
        self._sessions.clear()

    def _secret(self, what: str) -> str:
        digest = hashlib.sha256(f"{self._seed}|{what}".encode()).digest()
        text = base64.urlsafe_b64encode(digest * 2).decode().replace("-", ".").rstrip("=")
        return f"{self._org_id[:15]}!AQ{text}"

    # OAuth

    def token(self, form: Mapping[str, str], authorization: str | None) -> dict[str, str]:
        """What POST /services/oauth2/token answers, without the addresses."""
        key, secret = _client(form, authorization)
        grant = form.get("grant_type", "")
        if grant == "password":
            self._check_app(key, secret)
            user = self.by_password(form.get("username", ""), form.get("password", ""))
        elif grant == _JWT_GRANT:
            user = self._by_assertion(form.get("assertion", ""))
        elif grant == "client_credentials":
            user = self._by_client(key, secret)
        elif grant == "refresh_token":
            self._check_app(key, secret, secret_needed=False)
            known = self._refresh_tokens.get(form.get("refresh_token", ""))
            if known is None:
                raise LoginRefusedError("invalid_grant", "expired access/refresh token")
            user = known
        else:
            raise LoginRefusedError("unsupported_grant_type", "grant type not supported")
        answer = {"access_token": self.open(user), "token_type": "Bearer", "user_id": user.id}
        if grant == "password":
            answer["refresh_token"] = self.refresh_token(user)
        return answer

    def refresh_token(self, user: User) -> str:
        """A token that opens new sessions for the user."""
        token = "5Aep861" + self._secret(f"refresh {user.id}").partition("!")[2]
        self._refresh_tokens[token] = user
        return token

    def by_password(self, username: str, password: str) -> User:
        """The user with that name and password (a security token behind it is accepted)."""
        user = self.users.get(username.lower())
        if user is not None and password.startswith(user.password):
            return user
        if not username or not password or not self._accepts_any or user is not None:
            raise LoginRefusedError("invalid_grant", "authentication failure")
        return self._anybody()

    def _by_client(self, key: str | None, secret: str | None) -> User:
        app = self._check_app(key, secret)
        run_as = app.run_as if app is not None else None
        return self.users[run_as.lower()] if run_as else self._anybody()

    def _by_assertion(self, assertion: str) -> User:
        try:
            claims = jwt.decode(assertion, options={"verify_signature": False})
        except jwt.InvalidTokenError as error:
            raise LoginRefusedError("invalid_grant", "invalid assertion") from error
        app = self._check_app(str(claims.get("iss", "")), None, secret_needed=False)
        if app is not None and app.public_key is not None:
            try:
                jwt.decode(
                    assertion,
                    app.public_key,
                    algorithms=["RS256"],
                    options={"verify_exp": False, "verify_aud": False},
                )
            except jwt.InvalidTokenError as error:
                raise LoginRefusedError("invalid_grant", "invalid assertion") from error
        self._check_claims(claims)
        user = self.users.get(str(claims["sub"]).lower())
        if user is not None:
            return user
        if not self._accepts_any:
            raise LoginRefusedError("invalid_grant", "user hasn't approved this consumer")
        return self._anybody()

    def _check_claims(self, claims: Mapping[str, object]) -> None:
        now = self._clock.now()
        expiry = str(claims.get("exp", ""))
        # a client signs with its machine's time, which a moved sandbox clock has left behind
        real = datetime.now(now.tzinfo)
        if not expiry.isdigit() or not claims.get("sub"):
            raise LoginRefusedError("invalid_grant", "invalid assertion")
        moment = datetime.fromtimestamp(int(expiry), now.tzinfo)
        if not real - _SKEW < moment <= real + _LONGEST_ASSERTION + _SKEW:
            raise LoginRefusedError("invalid_grant", "expired authorization code")
        if not str(claims.get("aud", "")).startswith(("https://", "http://")):
            raise LoginRefusedError("invalid_grant", "audience is invalid")

    @property
    def _accepts_any(self) -> bool:
        return self._switches.salesforce_login == "any"

    def _anybody(self) -> User:
        return next(iter(self.users.values()))

    def _check_app(
        self, key: str | None, secret: str | None, *, secret_needed: bool = True
    ) -> ConnectedApp | None:
        app = self.apps.get(key or "")
        if app is None:
            if not key or not self._accepts_any or (secret_needed and not secret):
                raise LoginRefusedError("invalid_client_id", "client identifier invalid")
            return None
        wrong = app.consumer_secret is not None and secret != app.consumer_secret
        if wrong and (secret_needed or secret is not None):
            raise LoginRefusedError("invalid_client", "invalid client credentials")
        return app


def _client(form: Mapping[str, str], authorization: str | None) -> tuple[str | None, str | None]:
    """The consumer key and secret, from the form or a Basic header."""
    if authorization is not None and authorization.startswith("Basic "):
        try:
            decoded = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise LoginRefusedError("invalid_client", "invalid client credentials") from error
        key, _, secret = decoded.partition(":")
        return key, secret
    return form.get("client_id"), form.get("client_secret")


def bearer(authorization: str | None) -> str:
    """The token of an Authorization header; `Bearer` and `OAuth` mean the same."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() not in {"bearer", "oauth"} or not token:
        if authorization:
            raise SalesforceError("INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE", status=401)
        raise expired_session()
    return token.strip()


# SOAP

_ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope '
    'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns="urn:partner.soap.sforce.com" xmlns:sf="urn:fault.partner.soap.sforce.com" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>{}</soapenv:Body>'
    "</soapenv:Envelope>"
)


def soap_credentials(body: bytes) -> tuple[str, str]:
    """User name and password (with the security token behind it) of a login envelope."""
    try:
        root = ET.fromstring(body)  # noqa: S314 - from this machine's own client, on loopback
    except ET.ParseError as error:
        raise LoginRefusedError("INVALID_SOAP_ENVELOPE", str(error)) from error
    found = {element.tag.rpartition("}")[2]: element.text or "" for element in root.iter()}
    if "username" not in found or "password" not in found:
        raise LoginRefusedError("INVALID_OPERATION_WITH_EXPIRED_PASSWORD", "no credentials")
    return found["username"], found["password"]


def soap_answer(token: str, server_url: str, user: User) -> str:
    """The envelope of a successful login."""
    result = (
        f"<loginResponse><result><metadataServerUrl>{escape(server_url)}</metadataServerUrl>"
        "<passwordExpired>false</passwordExpired><sandbox>false</sandbox>"
        f"<serverUrl>{escape(server_url)}</serverUrl><sessionId>{escape(token)}</sessionId>"
        f"<userId>{user.id}</userId><userInfo><userName>{escape(user.username)}</userName>"
        "</userInfo></result></loginResponse>"
    )
    return _ENVELOPE.format(result)


def soap_fault(code: str, message: str) -> str:
    """The envelope of a refused login."""
    fault = (
        f"<soapenv:Fault><faultcode>{code}</faultcode><faultstring>{code}: {escape(message)}"
        '</faultstring><detail><sf:LoginFault xsi:type="sf:LoginFault">'
        f"<sf:exceptionCode>{code}</sf:exceptionCode>"
        f"<sf:exceptionMessage>{escape(message)}</sf:exceptionMessage></sf:LoginFault></detail>"
        "</soapenv:Fault>"
    )
    return _ENVELOPE.format(fault)


def login_refusal(error: LoginRefusedError) -> str:
    """The body of a refused token request."""
    return json.dumps({"error": error.error, "error_description": error.description})
