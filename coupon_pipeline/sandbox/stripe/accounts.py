"""The account behind the key, its balance, and its test clocks."""

from coupon_pipeline.sandbox.stripe.account import Account
from coupon_pipeline.sandbox.stripe.agenda import Agenda
from coupon_pipeline.sandbox.stripe.answers import Answer, Call, Shown, list_page
from coupon_pipeline.sandbox.stripe.errors import ConditionError, StripeError, invalid
from coupon_pipeline.sandbox.stripe.periods import DAY
from coupon_pipeline.sandbox.stripe.store import StripeObject

CLOCK_KEPT_DAYS = 30


def retrieve_account(account: Account, call: Call) -> Answer:
    """The account itself; of others nothing is known."""
    if call.ids and call.id != account.account_id:
        raise no_access(call.id)
    thing: StripeObject = {
        "id": account.account_id,
        "object": "account",
        "business_profile": {
            "annual_revenue": None,
            "estimated_worker_count": None,
            "mcc": None,
            "name": "Sandbox",
            "product_description": None,
            "support_address": None,
            "support_email": None,
            "support_phone": None,
            "support_url": None,
            "url": None,
        },
        "business_type": "company",
        "charges_enabled": True,
        "country": "US",
        "default_currency": account.default_currency,
        "details_submitted": True,
        "email": "sandbox@example.com",
        "payouts_enabled": True,
        "settings": {
            "branding": {"icon": None, "logo": None},
            "card_payments": {"statement_descriptor_prefix": None},
            "dashboard": {"display_name": "Sandbox", "timezone": "Etc/UTC"},
            "payments": {"statement_descriptor": None},
            "payouts": {
                "debit_negative_balances": True,
                "schedule": {"delay_days": 2, "interval": "daily"},
                "statement_descriptor": None,
            },
        },
        "type": "standard",
    }
    return Shown("account", thing)


def no_access(account_id: str) -> StripeError:
    """403 for an account that the key has nothing to do with."""
    return StripeError(
        f"The provided key does not have access to account '{account_id}' (or that account does "
        "not exist). Application access may have been revoked.",
        status=403,
        code="account_invalid",
    )


def retrieve_balance(account: Account, _call: Call) -> Answer:
    """Nothing is ever charged here."""
    empty = {"amount": 0, "currency": account.default_currency, "source_types": {"card": 0}}
    balance: StripeObject = {
        "object": "balance",
        "available": [empty],
        "livemode": account.livemode,
        "pending": [empty],
    }
    return Shown("balance", balance)


def create_clock(account: Account, call: Call) -> Answer:
    """A time of their own for the customers that are made with it."""
    if account.livemode:
        raise ConditionError("Test clocks are only available in test mode.")
    frozen = call.params["frozen_time"]
    thing: StripeObject = {
        "id": account.new_id("test_clock"),
        "object": "test_helpers.test_clock",
        "created": account.now(),
        "deletes_after": account.now() + CLOCK_KEPT_DAYS * DAY,
        "frozen_time": frozen,
        "livemode": False,
        "name": call.params.get("name"),
        "status": "ready",
        "status_details": {},
    }
    return Shown("test_clock", account.store.add("test_clock", thing))


def retrieve_clock(account: Account, call: Call) -> Answer:
    """One test clock."""
    return Shown("test_clock", account.need("test_clock", call.id))


def list_clocks(account: Account, call: Call) -> Answer:
    """All test clocks, newest first."""
    return list_page(account, "test_clock", call, "/v1/test_helpers/test_clocks")


def advance_clock(account: Account, call: Call, agenda: Agenda) -> Answer:
    """Move a test clock forward; everything in between has happened when the answer comes."""
    clock = account.need("test_clock", call.id)
    target = call.params["frozen_time"]
    if target <= clock["frozen_time"]:
        raise invalid("A test clock can only be advanced to a later time.", "frozen_time")
    agenda.catch_up(target, call.id)
    edited = account.store.edit("test_clock", call.id)
    edited["frozen_time"] = target
    return Shown("test_clock", edited)


def delete_clock(account: Account, call: Call) -> Answer:
    """Forget a test clock, and with it its customers and what they had."""
    account.need("test_clock", call.id)
    for kind in ("customer", "subscription", "subscription_schedule"):
        for thing in list(account.store.table(kind).objects.values()):
            if thing.get("test_clock") == call.id:
                account.store.remove(kind, thing["id"])
    account.store.remove("test_clock", call.id)
    gone = {"id": call.id, "object": "test_helpers.test_clock", "deleted": True}
    return Shown("test_clock", gone)
