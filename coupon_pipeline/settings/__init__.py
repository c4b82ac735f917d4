"""Environment variables, a `.env` file, a file of connections become typed settings, read once."""

from coupon_pipeline.settings.accounts import (
    SALESFORCE_API_VERSION,
    SALESFORCE_HOSTS,
    SANDBOX_ADDRESSES,
    SANDBOX_FOLDER,
    STRIPE_HOSTS,
    SalesforceAccount,
    StripeAccount,
    check_address,
    is_loopback,
)
from coupon_pipeline.settings.connections import load_connections, load_settings
from coupon_pipeline.settings.environment import (
    AUTOMATIONS,
    FIRST_POSSIBLE_DAY,
    STRIPE_API_BASE,
    WRITE_BACKS,
    Automation,
    Settings,
    WriteBack,
)
from coupon_pipeline.settings.errors import SettingsError
from coupon_pipeline.settings.unknown_variables import unknown_variables

__all__ = [
    "AUTOMATIONS",
    "FIRST_POSSIBLE_DAY",
    "SALESFORCE_API_VERSION",
    "SALESFORCE_HOSTS",
    "SANDBOX_ADDRESSES",
    "SANDBOX_FOLDER",
    "STRIPE_API_BASE",
    "STRIPE_HOSTS",
    "WRITE_BACKS",
    "Automation",
    "SalesforceAccount",
    "Settings",
    "SettingsError",
    "StripeAccount",
    "WriteBack",
    "check_address",
    "is_loopback",
    "load_connections",
    "load_settings",
    "unknown_variables",
]
