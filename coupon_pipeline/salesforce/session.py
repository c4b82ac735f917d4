"""One session with one org: login, requests, retries, errors.

simple-salesforce is given an open session and never the credentials: its own renewal of an
expired session has no lock and, on its per-object calls, no bound. Only `restful` of it is used,
and `call_salesforce` for what is no JSON.
"""

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import TypeVar, cast

import requests
from jwt import PyJWTError
from simple_salesforce import exceptions as library
from simple_salesforce.api import Salesforce
from simple_salesforce.login import SalesforceLogin
from simple_salesforce.util import call_salesforce
from urllib3.exceptions import NewConnectionError

from coupon_pipeline.salesforce.errors import (
    SalesforceError,
    SalesforceLoginFailed,
    SalesforceRefused,
    SalesforceUnavailable,
    error_of,
    refusal_of,
)
from coupon_pipeline.salesforce.json_values import Json, as_object, json_text, without_secrets
from coupon_pipeline.salesforce.logins import (
    AccessToken,
    ClientCredentials,
    Instance,
    JwtLogin,
    Login,
    PasswordLogin,
    is_loopback,
    parse_instance,
    secrets_of,
)
from coupon_pipeline.salesforce.transport import Quota, Timeouts, Usage, open_http

Answer = TypeVar("Answer")

_RUN_AGAIN = "Nothing is lost: run again when Salesforce answers."
_CHECK_LOGIN = (
    "Check the Salesforce credentials in the settings, and that the user may use the API."
)


@dataclass(frozen=True, slots=True)
class Pacing:
    """How often and how long a request is tried again, and how waiting is done."""

    attempts: int = 5
    total_seconds: float = 90.0
    """No attempt begins later than this after the first one began."""
    first_wait: float = 0.5
    longest_wait: float = 20.0
    pause: Callable[[float], None] = time.sleep
    random: Callable[[], float] = random.random
    monotonic: Callable[[], float] = time.monotonic

    def begin(self) -> "Attempts":
        """A new count of attempts, for one request."""
        return Attempts(self, self.monotonic())


@dataclass(slots=True)
class Attempts:
    """The attempts of one request: at most so many, within so much time."""

    pacing: Pacing
    began: float
    made: int = 1

    def wait(self) -> bool:
        """Wait before the next attempt; false when there is none.

        Waits double and are drawn from their upper half, so that clients that failed together
        do not come back together.
        """
        pacing = self.pacing
        if self.made >= pacing.attempts:
            return False
        wait = min(pacing.longest_wait, pacing.first_wait * 2 ** (self.made - 1))
        wait *= 0.5 + pacing.random() / 2
        if pacing.monotonic() - self.began + wait > pacing.total_seconds:
            return False
        pacing.pause(wait)
        self.made += 1
        return True


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer that is a text, with what its headers say."""

    text: str
    headers: Mapping[str, str]


class SalesforceSession:
    """Requests to one org. Opens nothing until the first one; safe to use from threads."""

    def __init__(
        self,
        instance: Instance,
        login: Login,
        api_version: str,
        *,
        timeouts: Timeouts,
        pacing: Pacing,
        quota_share: Decimal | None,
    ) -> None:
        self.instance = instance
        self.api_version = api_version
        self.pacing = pacing
        self._login = login
        self._usage = Usage(quota_share)
        self._http = open_http(instance, timeouts, self._usage)
        self._lock = threading.Lock()
        self._client: Salesforce | None = None

    @property
    def calls(self) -> int:
        """Requests sent so far, logins and repeated attempts included."""
        return self._usage.calls

    @property
    def quota(self) -> Quota | None:
        """The org's request quota as the last answer told it."""
        return self._usage.quota

    @property
    def clock_skew(self) -> timedelta | None:
        """How far Salesforce's clock is ahead of ours, by its last answer."""
        return self._usage.clock_skew

    @property
    def data_path(self) -> str:
        """The path that all requests of this API version start with."""
        return f"/services/data/v{self.api_version}/"

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def who(self) -> Json:
        """The user behind the session.

        https://help.salesforce.com/s/articleView?id=sf.remoteaccess_using_userinfo_endpoint.htm

        Raises:
            SalesforceError: it could not be asked, or the session may not ask.
        """
        what = "Reading who is logged in"
        client = self._opened(expired=None)
        return self._told(lambda: cast(Json, client.oauth2("userinfo")), what)

    def versions(self) -> tuple[str, ...]:
        """The API versions that the instance speaks, oldest first; no login is needed.

        Raises:
            SalesforceError: the instance gave no usable answer.
        """
        what = "Reading the API versions"
        try:
            answer = self._http.get(f"https://{self.instance.netloc}/services/data")
        except requests.RequestException as error:
            fault = _transport_error(error, what)
        else:
            return _versions_in(answer, what)
        raise fault

    def call(
        self, method: str, path: str, body: Json = None, *, what: str, repeatable: bool = True
    ) -> Json:
        """The answer to one request; `path` follows `data_path`.

        A request that may not be made twice (`repeatable` false) is tried again only when
        Salesforce certainly did nothing.
        """
        data = None if body is None else json_text(body).encode()

        def ask(client: Salesforce) -> Json:
            return cast(Json, client.restful(path, method=method, data=data))

        return self._tried(ask, what, repeatable=repeatable)

    def fetch(self, path: str, *, what: str) -> Fetched:
        """The answer to a `GET` that is a text and no JSON; `path` follows `data_path`."""

        def ask(client: Salesforce) -> Fetched:
            headers = {**client.headers, "Accept": "text/csv"}
            answer = call_salesforce(client.base_url + path, "GET", client.session, headers)
            return Fetched(answer.content.decode(), answer.headers)

        return self._tried(ask, what, repeatable=True)

    def _tried(self, ask: Callable[[Salesforce], Answer], what: str, *, repeatable: bool) -> Answer:
        attempts = self.pacing.begin()
        while True:
            try:
                return self._answer(ask, what)
            except SalesforceUnavailable as error:
                may_repeat = repeatable or error.not_done
                if not (may_repeat and attempts.wait()):
                    raise

    def _answer(self, ask: Callable[[Salesforce], Answer], what: str) -> Answer:
        client = self._opened(expired=None)
        try:
            return self._once(ask, client, what)
        except SalesforceLoginFailed:
            if isinstance(self._login, AccessToken):
                raise
        return self._once(ask, self._opened(expired=client), what)

    def _once(self, ask: Callable[[Salesforce], Answer], client: Salesforce, what: str) -> Answer:
        self._usage.check()
        return self._told(partial(ask, client), what)

    def _told(self, ask: Callable[[], Answer], what: str) -> Answer:
        """The answer, or our own error in place of the library's.

        It is raised when the library's has been left behind, because the frames of that one hold
        the headers of the request, and with them the token.
        """
        try:
            return ask()
        except library.SalesforceExpiredSession as error:
            said = without_secrets(cast(Json, error.content), self._secrets())
            fault: SalesforceError = self._session_refused(said, what)
        except library.SalesforceError as error:
            said = without_secrets(cast(Json, error.content), self._secrets())
            fault = error_of(error.status, said, what)
        except requests.RequestException as error:
            fault = _transport_error(error, what)
        except (TypeError, ValueError, RecursionError):
            # simple-salesforce takes every answer for an object or a list that ends
            fault = SalesforceUnavailable(f"{what}: the answer cannot be read.", _RUN_AGAIN)
        raise fault

    def _secrets(self) -> tuple[str, ...]:
        """What an answer might repeat, and no message may."""
        token = self._client.session_id if self._client is not None else ""
        return tuple(secret for secret in (token, *secrets_of(self._login)) if secret)

    def _session_refused(self, content: Json, what: str) -> SalesforceLoginFailed:
        said = refusal_of(content)
        return SalesforceLoginFailed(
            f"{what}: Salesforce does not accept the session ({said.error_code or 401}).",
            "Set a fresh SALESFORCE_ACCESS_TOKEN, or use a login that can be renewed."
            if isinstance(self._login, AccessToken)
            else _CHECK_LOGIN,
            code="salesforce.session_refused",
        )

    def _opened(self, expired: Salesforce | None) -> Salesforce:
        """The open session; a new one if there is none or the one in use has expired.

        Under the lock: of many threads that find the session expired, one logs in.
        """
        with self._lock:
            if self._client is None or self._client is expired:
                self._client = Salesforce(
                    session_id=self._token(),
                    instance_url=f"https://{self.instance.netloc}",
                    version=self.api_version,
                    session=self._http,
                    parse_float=Decimal,
                    object_pairs_hook=dict,
                )
            return self._client

    def _token(self) -> str:
        if isinstance(self._login, AccessToken):
            return self._login.token
        try:
            opened, host = self._log_in(self._login)
        except SalesforceUnavailable as error:
            error.not_done = True  # the request that wanted the session has not left
            raise
        self._check_host(host)
        return opened.token

    def _log_in(
        self, login: JwtLogin | ClientCredentials | PasswordLogin
    ) -> tuple[AccessToken, str]:
        """The session and its host. What is secret is never a variable of its own here."""
        try:
            return _opened_by(_log_in(login, self.instance, self.api_version, self._http))
        except library.SalesforceAuthenticationFailed as error:
            fault: SalesforceError = _login_error(error, secrets_of(login))
        except requests.RequestException as error:
            fault = _transport_error(error, "Logging in")
        except (OSError, ValueError, PyJWTError) as error:
            # the private key: not there, or no key
            fault = SalesforceLoginFailed(
                f"The private key cannot be used ({type(error).__name__}).",
                "Check SALESFORCE_PRIVATE_KEY_FILE.",
            )
        except (AttributeError, KeyError, TypeError):
            # simple-salesforce takes every answer of the login endpoint for a token or an error
            fault = SalesforceUnavailable(
                "Logging in: the answer was neither a token nor a refusal.", _RUN_AGAIN
            )
        raise fault  # not inside, so that the library's frames, which hold the secrets, are left

    def _check_host(self, answered: str) -> None:
        """A session of another org would read the wrong customers' coupons.

        A stand-in on this machine answers a SOAP login with a Salesforce host, because
        simple-salesforce takes no other there; everything is sent to this machine all the same.
        """
        host = parse_instance(f"https://{answered}").host
        local = self.instance.is_plain_loopback
        if local and (is_loopback(host) or isinstance(self._login, PasswordLogin)):
            return
        # simple-salesforce takes "-api" out of the host that a password login answers
        if host not in (self.instance.host, self.instance.host.replace("-api", "")):
            raise SalesforceLoginFailed(
                f"The login belongs to {host}, the settings name {self.instance.host}.",
                f"Set SALESFORCE_INSTANCE_URL to https://{host}, or use that org's credentials.",
                code="salesforce.other_instance",
            )


def _opened_by(answer: tuple[str, str]) -> tuple[AccessToken, str]:
    return AccessToken(answer[0]), answer[1]


def connect(
    instance_url: str,
    login: Login,
    api_version: str,
    *,
    timeouts: Timeouts | None = None,
    pacing: Pacing | None = None,
    quota_share: Decimal | None = None,
) -> SalesforceSession:
    """A session for the org at `instance_url`; nothing is sent before it is used.

    `quota_share` (0 to 1) stops before that part of the org's daily requests is used.
    """
    return SalesforceSession(
        parse_instance(instance_url),
        login,
        api_version,
        timeouts=timeouts or Timeouts(),
        pacing=pacing or Pacing(),
        quota_share=quota_share,
    )


def _log_in(
    login: JwtLogin | ClientCredentials | PasswordLogin,
    instance: Instance,
    api_version: str,
    http: requests.Session,
) -> tuple[str, str]:
    """A new access token and the host that it is for."""
    if isinstance(login, JwtLogin):
        return SalesforceLogin(
            username=login.username,
            consumer_key=login.consumer_key,
            privatekey_file=str(login.private_key_file),
            domain=instance.audience,
            instance_url=instance.domain,
            session=http,
        )
    if isinstance(login, ClientCredentials):
        return SalesforceLogin(
            consumer_key=login.consumer_key,
            consumer_secret=login.consumer_secret,
            domain=instance.domain,
            session=http,
        )
    return SalesforceLogin(
        username=login.username,
        password=login.password,
        security_token=login.security_token,
        sf_version=api_version,
        domain=instance.domain,
        session=http,
    )


def _versions_in(answer: requests.Response, what: str) -> tuple[str, ...]:
    try:
        listed = cast(Json, answer.json())
    except ValueError:
        listed = None
    if answer.ok and isinstance(listed, list):
        return tuple(str(as_object(each).get("version")) for each in listed)
    raise error_of(answer.status_code, listed, what)


def _login_error(
    error: library.SalesforceAuthenticationFailed, secrets: tuple[str, ...]
) -> SalesforceLoginFailed | SalesforceUnavailable:
    if isinstance(error.code, int):
        # the login endpoint answered with a page instead of its error document
        return SalesforceUnavailable(f"Logging in: the answer was {error.code}.", _RUN_AGAIN)
    said = refusal_of(without_secrets(cast(Json, error.auth_message), secrets)).message
    return SalesforceLoginFailed(f"Logging in was refused: {error.code}: {said}.", _CHECK_LOGIN)


def _transport_error(
    error: requests.RequestException, what: str
) -> SalesforceUnavailable | SalesforceRefused:
    if isinstance(error, requests.TooManyRedirects | requests.exceptions.InvalidSchema):
        return SalesforceRefused(
            f"{what}: Salesforce pointed to another address, which is not followed.",
            "Set SALESFORCE_INSTANCE_URL to the org's own My Domain address.",
            code="salesforce.redirected",
        )
    reason = error.args[0] if error.args else None
    not_done = isinstance(error, requests.ConnectTimeout) or isinstance(
        getattr(reason, "reason", None), NewConnectionError
    )
    return SalesforceUnavailable(
        f"{what}: no answer from Salesforce ({type(error).__name__}).",
        _RUN_AGAIN,
        not_done=not_done,
    )
