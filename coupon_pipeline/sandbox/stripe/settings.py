"""Settings that are stored and given back: of subscriptions, schedules and their phases."""

from decimal import Decimal
from typing import Any, Final

from coupon_pipeline.sandbox.stripe.store import StripeObject, copy_json

ISSUER: Final[StripeObject] = {"type": "self"}
FORMS: Final[dict[str, StripeObject]] = {
    "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
    "billing_thresholds": {"amount_gte": None, "reset_billing_cycle_anchor": None},
    "transfer_data": {"amount_percent": None, "destination": None},
    "trial_settings": {
        "end_behavior": {"billing_cycle_anchor": None, "missing_payment_method": "create_invoice"}
    },
    "pending_invoice_item_interval": {"interval": None, "interval_count": 1},
    "pause_collection": {"behavior": None, "resumes_at": None},
    "payment_settings": {
        "payment_method_options": None,
        "payment_method_types": None,
        "save_default_payment_method": "off",
    },
    "cancellation_details": {
        "comment": None,
        "feedback": None,
        "feedback_option": None,
        "reason": None,
    },
}
INVOICE_SETTINGS: Final[StripeObject] = {
    "account_tax_ids": None,
    "custom_fields": None,
    "description": None,
    "footer": None,
    "issuer": ISSUER,
}


def plain(value: Any) -> Any:
    """JSON of a typed parameter: Decimals become numbers, blanks become null."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return None if value == "" else value


def read_form(name: str, given: Any, old: StripeObject | None = None) -> Any:
    """A setting as Stripe shows it: every member is there, what was not given is null."""
    value = plain(given)
    form = FORMS.get(name)
    if value is None or form is None:
        return value
    return copy_json(form) | (old or {}) | value


def invoice_settings(
    given: Any, old: StripeObject | None = None, *, days_until_due: bool = False
) -> StripeObject:
    """Invoice settings as Stripe shows them; those of schedules also have `days_until_due`."""
    form: StripeObject = copy_json(INVOICE_SETTINGS)
    if days_until_due:
        form["days_until_due"] = None
    return form | (old or {}) | (plain(given) or {})
