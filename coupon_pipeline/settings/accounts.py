"""How to reach one org and one account: those of the settings, or the local sandbox's."""

import json
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from coupon_pipeline.salesforce.logins import AccessToken, Login
from coupon_pipeline.settings.errors import SettingsError

SALESFORCE_API_VERSION = "67.0"
"""The newest release confirmed by public documentation (Summer '26)."""

SANDBOX_FOLDER = Path(".coupon_pipeline")
SANDBOX_ADDRESSES = SANDBOX_FOLDER / "sandbox.json"
"""Where a running local sandbox says how to reach it."""


@dataclass(frozen=True, slots=True)
class SalesforceAccount:
    """How to reach and name things in one Salesforce org."""

    instance_url: str
    login: Login
    namespace: str
    api_version: str


@dataclass(frozen=True, slots=True)
class StripeAccount:
    """How to reach one Stripe account. `account` is set for a connected account only."""

    api_key: SecretStr
    api_base: str
    account: str | None
    live: bool


SALESFORCE_HOSTS = (".salesforce.com", ".force.com", ".salesforce.mil", ".sfcrmproducts.cn")
STRIPE_HOSTS = (".stripe.com",)


def check_address(variable: str, url: str, hosts: tuple[str, ...]) -> None:
    """Refuse what is no address, hosts of others, and plain http to anything but this machine.

    Credentials go to the address, so that a slip of the pen must not send them elsewhere.

    Raises:
        SettingsError: naming the variable.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(
            variable, "is not a web address.", "Write it with its scheme, such as https://host."
        )
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise SettingsError(
            variable,
            "uses plain http, which would send credentials unprotected.",
            "Use https; plain http is accepted for 127.0.0.1, ::1 and localhost only.",
        )
    if not (parts.hostname.lower().endswith(hosts) or is_loopback(parts.hostname)):
        raise SettingsError(
            variable,
            f"names {parts.hostname}, which is not a host of that service.",
            f"Its hosts end in {' or '.join(hosts)}; 127.0.0.1, ::1 and localhost are accepted for "
            "a stand-in on this machine.",
        )


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class SandboxAddresses:
    """How to reach a running sandbox, and the ledger that goes with it."""

    salesforce: SalesforceAccount
    stripe: StripeAccount
    ledger: Path


def sandbox_addresses() -> SandboxAddresses:
    """Those of the sandbox that was started in this folder.

    Raises:
        SettingsError: none runs here.
    """
    try:
        spoken = json.loads(SANDBOX_ADDRESSES.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(
            "SALESFORCE_INSTANCE_URL",
            "is not set, nor is any other Salesforce or Stripe variable, so the local sandbox "
            "would be used, but none runs in this folder.",
            "Start it with `coupon-pipeline sandbox`, or set the variables of your accounts.",
        ) from None
    return SandboxAddresses(
        salesforce=SalesforceAccount(
            instance_url=spoken["salesforce"]["url"],
            login=AccessToken(spoken["salesforce"]["access_token"]),
            namespace=spoken["salesforce"]["namespace"],
            api_version=SALESFORCE_API_VERSION,
        ),
        stripe=StripeAccount(
            api_key=SecretStr(spoken["stripe"]["api_key"]),
            api_base=spoken["stripe"]["url"],
            account=None,
            live=False,
        ),
        ledger=Path(spoken["ledger"]),
    )
