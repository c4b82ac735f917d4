"""API keys: who is calling, in which mode, and what a restricted key may do."""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from coupon_pipeline.sandbox.stripe.errors import StripeError
from coupon_pipeline.sandbox.switches import Switches

KEY_FORM = re.compile(r"^(sk|rk)_(test|live)_[A-Za-z0-9]+$")
SHOWN = 4


@dataclass(frozen=True, slots=True)
class Key:
    """`permissions` is None for a secret key, which may do everything."""

    text: str
    account_id: str
    permissions: frozenset[str] | None = None

    @property
    def livemode(self) -> bool:
        """Whether it works on real money."""
        return "_live_" in self.text

    def require(self, permission: str | None, switches: Switches) -> None:
        """Refuse with 403 and the permission's name unless the key has it.

        To write includes to read. https://docs.stripe.com/keys/restricted-api-keys
        """
        if self.permissions is None or permission is None or permission in self.permissions:
            return
        if permission == "rak_invoice_read" and switches.stripe_preview_permission == "none":
            return
        if permission.removesuffix("_read") + "_write" in self.permissions:
            return
        raise StripeError(
            f"The provided key '{masked(self.text)}' does not have the required permissions for "
            f"this endpoint on account '{self.account_id}'. Having the '{permission}' permission "
            "would allow this request to continue.",
            status=403,
        )


def masked(text: str) -> str:
    """A key as error messages show it."""
    prefix = "_".join(text.split("_")[:2])[:8]
    return f"{prefix}_{'*' * 12}{text[-SHOWN:]}"


def checked(text: str, account_id: str, permissions: Iterable[str] | None = None) -> Key:
    """A key that may be registered; ValueError when its text is none."""
    if not KEY_FORM.match(text):
        raise ValueError("A key looks like sk_test_..., sk_live_..., rk_test_... or rk_live_....")
    return Key(text, account_id, None if permissions is None else frozenset(permissions))


def authenticate(headers: Mapping[bytes, bytes], keys: Mapping[str, Key]) -> Key:
    """The key of a request, from a bearer token or as the user name of basic authentication."""
    given = headers.get(b"authorization", b"").decode("latin-1")
    scheme, _, credentials = given.partition(" ")
    text = ""
    if scheme.lower() == "bearer":
        text = credentials.strip()
    elif scheme.lower() == "basic":
        try:
            text = base64.b64decode(credentials).decode("latin-1").partition(":")[0]
        except binascii.Error:
            text = ""
    if not text:
        raise StripeError(
            "You did not provide an API key. You need to provide your API key in the "
            "Authorization header, using Bearer auth (e.g. 'Authorization: Bearer "
            "YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication for details.",
            status=401,
        )
    key = keys.get(text)
    if key is None:
        raise StripeError(f"Invalid API Key provided: {masked(text)}", status=401)
    return key
