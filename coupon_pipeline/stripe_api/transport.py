"""The way to Stripe: key, address, session, SDK client."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from ipaddress import ip_address
from typing import Literal, Protocol
from urllib.parse import urlsplit

import requests
import stripe
from requests.adapters import HTTPAdapter

from coupon_pipeline.stripe_api.errors import StripeMisconfigured

STRIPE_API = "https://api.stripe.com"

_MODE = re.compile(r"(?:sk|rk)_(test|live)_[A-Za-z0-9_]+")


class Secret(Protocol):
    """What keeps a value out of representations, such as pydantic's `SecretStr`."""

    def get_secret_value(self) -> str:
        """The value itself."""
        ...


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait for a connection, and for each piece of an answer."""

    connect: float = 5.0
    read: float = 30.0


def mode_of(api_key: Secret) -> Literal["test", "live"]:
    """Which money a key moves: play money or real.

    Raises:
        StripeMisconfigured: it is no secret or restricted key of one account.
    """
    match = _MODE.fullmatch(api_key.get_secret_value())
    if match is None:
        raise StripeMisconfigured(
            "The Stripe key is not a secret or restricted key of one account.",
            setting="STRIPE_API_KEY",
            fix="It must begin with sk_test_, rk_test_, sk_live_ or rk_live_.",
        )
    return "live" if match.group(1) == "live" else "test"


def is_restricted(api_key: Secret) -> bool:
    """Whether it is a restricted key: https://docs.stripe.com/keys/restricted-api-keys."""
    return api_key.get_secret_value().startswith("rk_")


def is_loopback(base_url: str) -> bool:
    """Whether an address stays on this machine."""
    host = urlsplit(base_url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def check_base_url(base_url: str) -> str:
    """The address without a slash at its end, if a key may be sent to it.

    Raises:
        StripeMisconfigured: it is no address, or plain http that leaves this machine.
    """
    parts = urlsplit(base_url)
    plain = parts.path in ("", "/") and not (parts.query or parts.fragment or parts.username)
    if parts.scheme not in ("http", "https") or not parts.hostname or not plain:
        raise StripeMisconfigured(
            "The Stripe address is not of the form https://host.",
            setting="STRIPE_API_BASE",
            fix="Give scheme, host and, where needed, port, and nothing else.",
        )
    if parts.scheme == "http" and not is_loopback(base_url):
        raise StripeMisconfigured(
            "The Stripe address uses plain http, which would send the key unprotected.",
            setting="STRIPE_API_BASE",
            fix="Use https; plain http is accepted for loopback addresses only.",
        )
    return base_url.rstrip("/")


class _Session(requests.Session):
    """A session that follows no redirect: the key is for the host that it was meant for."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        del resp
        return None


def _no_other_login(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keeps requests from putting a netrc entry in place of the key."""
    return request


def new_session(base_url: str, connections: int) -> requests.Session:
    """A session for many threads: pooled connections, no cookies, no redirects.

    Proxies of the environment are used, but never for a service on this machine.
    """
    session = _Session()
    session.auth = _no_other_login
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.trust_env = not is_loopback(base_url)
    adapter = HTTPAdapter(pool_connections=1, pool_maxsize=connections, max_retries=0)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def new_client(
    api_key: Secret,
    *,
    base_url: str,
    account: str | None,
    timeouts: Timeouts,
    session: requests.Session,
) -> stripe.StripeClient:
    """The SDK's client at the API version that it pins, without its retries and telemetry.

    Without the switch, the SDK writes a file into the user's home and reports durations.
    """
    stripe.enable_telemetry = False
    http = stripe.RequestsClient(timeout=(timeouts.connect, timeouts.read), session=session)
    return stripe.StripeClient(
        api_key.get_secret_value(),
        stripe_account=account,
        base_addresses={"api": base_url},
        max_network_retries=0,
        http_client=http,
    )


Clock = Callable[[], float]
Pause = Callable[[float], None]
