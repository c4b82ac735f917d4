"""The ways to log in, one type each, and where the org is."""

from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

from coupon_pipeline.salesforce.errors import SalesforceError

_SALESFORCE = ".salesforce.com"
_LOOPBACK_DOMAIN = "loopback.my"
"""Stands for a server on this machine where simple-salesforce insists on a Salesforce host."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A session that somebody else opened. It cannot be renewed."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class JwtLogin:
    """OAuth JWT bearer: a certificate's private key instead of a password."""

    username: str
    consumer_key: str = field(repr=False)
    private_key_file: Path


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """OAuth client credentials of a connected app; the org must be reached by its My Domain."""

    consumer_key: str = field(repr=False)
    consumer_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PasswordLogin:
    """User name, password and security token."""

    username: str
    password: str = field(repr=False)
    security_token: str = field(repr=False)


Login: TypeAlias = AccessToken | JwtLogin | ClientCredentials | PasswordLogin


def secrets_of(login: Login) -> tuple[str, ...]:
    """What must not be shown of a login."""
    match login:
        case AccessToken():
            return (login.token,)
        case JwtLogin():
            return (login.consumer_key,)
        case ClientCredentials():
            return (login.consumer_key, login.consumer_secret)
        case PasswordLogin():
            return tuple(text for text in (login.password, login.security_token) if text)


class InstanceUrlError(SalesforceError):
    """The instance URL cannot be used."""

    code = "salesforce.instance_url"


@dataclass(frozen=True, slots=True)
class Instance:
    """Where the org answers: scheme, host and port, without a path."""

    scheme: str
    netloc: str
    host: str

    @property
    def url(self) -> str:
        """The address that links to records start with."""
        return f"{self.scheme}://{self.netloc}"

    @property
    def is_plain_loopback(self) -> bool:
        """Whether it is a server on this machine that speaks plain HTTP."""
        return self.scheme == "http"

    @property
    def domain(self) -> str:
        """The host as simple-salesforce wants it for a login: without `.salesforce.com`."""
        if self.is_plain_loopback:
            return _LOOPBACK_DOMAIN
        if not self.host.endswith(_SALESFORCE):
            raise InstanceUrlError(
                f"Logging in works only at a host under {_SALESFORCE}, not at {self.host}.",
                "Set SALESFORCE_INSTANCE_URL to the org's My Domain, or use an access token.",
            )
        return self.host.removesuffix(_SALESFORCE)

    @property
    def login_host(self) -> str:
        """The host that simple-salesforce sends a login to."""
        return f"{self.domain}{_SALESFORCE}"

    @property
    def audience(self) -> str:
        """Whom a JWT is meant for: `login`, or `test` for a sandbox.

        (https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_jwt_flow.htm).
        """
        is_test = self.is_plain_loopback or ".sandbox." in self.host or self.host.startswith("test")
        return "test" if is_test else "login"


def parse_instance(instance_url: str) -> Instance:
    """The parts of the instance URL; plain http only for a server on this machine."""
    parts = urlsplit(instance_url.strip())
    fix = "Set SALESFORCE_INSTANCE_URL to something like https://acme.my.salesforce.com."
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise InstanceUrlError(f"{_shown(instance_url)} is not an https address.", fix)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise InstanceUrlError("The instance URL holds more than scheme, host and port.", fix)
    if parts.path.strip("/"):
        raise InstanceUrlError("The instance URL has a path.", fix)
    host = parts.hostname.lower()
    if parts.scheme == "http" and not is_loopback(host):
        raise InstanceUrlError(
            f"Plain http is accepted for this machine only, not for {host}.",
            "Write https:// in SALESFORCE_INSTANCE_URL.",
        )
    return Instance(parts.scheme, parts.netloc.lower(), host)


def is_loopback(host: str) -> bool:
    """Whether the host is this machine, by name or by address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _shown(url: str) -> str:
    """The URL without anything that somebody may have put in it as a credential."""
    return repr(url.rsplit("@", 1)[-1][:100])
