"""Addresses of records, for people who follow a problem to where it is mended."""

from dataclasses import dataclass
from urllib.parse import quote

from coupon_pipeline.settings import STRIPE_API_BASE, Settings, SettingsError

_SECTIONS = {
    "sub_sched_": "subscription_schedules",
    "sub_": "subscriptions",
    "in_": "invoices",
}


@dataclass(frozen=True, slots=True)
class RecordLinks:
    """Where the pages of both services are."""

    salesforce: str
    stripe: str

    @classmethod
    def of(cls, settings: Settings) -> "RecordLinks | None":
        """Those of the accounts in the settings; the local sandbox has pages of its own."""
        try:
            salesforce, stripe = settings.salesforce(), settings.stripe()
        except SettingsError:
            return None
        dashboard = stripe.api_base
        if stripe.api_base == STRIPE_API_BASE:
            dashboard = "https://dashboard.stripe.com"
        return cls(salesforce.instance_url, dashboard if stripe.live else f"{dashboard}/test")

    def of_record(self, record_id: str) -> str:
        """A record in Salesforce."""
        return f"{self.salesforce}/{_quoted(record_id)}"

    def of_coupon(self, coupon_id: str) -> str:
        """A coupon in the Stripe dashboard."""
        return f"{self.stripe}/coupons/{_quoted(coupon_id)}"

    def of_target(self, target_id: str) -> str | None:
        """A subscription, schedule or invoice in the Stripe dashboard."""
        for prefix, section in _SECTIONS.items():
            if target_id.startswith(prefix):
                return f"{self.stripe}/{section}/{_quoted(target_id)}"
        return None


def _quoted(text: str) -> str:
    """A part of an address that ends neither it nor a link in Markdown, whatever was typed."""
    return quote(text, safe="")
