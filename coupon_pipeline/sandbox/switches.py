"""Named choices for what nobody has confirmed about the real services.

The pipeline has to be right under every choice, so each one can be turned: here, on the
command line (`--switch name=value`) and while the sandbox runs (`/_sandbox/switches`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal, TypeVar, cast, get_args

T = TypeVar("T")


def choice(default: T, unconfirmed: str) -> T:
    """A switch's default, and a sentence on what is not known about the real service."""
    return field(default=default, metadata={"unconfirmed": unconfirmed})


@dataclass(kw_only=True)
class Switches:
    """What the services do where the real one is unconfirmed; read as `switches.<name>`.

    A field is a `Literal` of texts: `name: Literal["a", "b"] = choice("a", "sentence")`.
    Names start with `stripe_` or `salesforce_`.
    """

    # --- Stripe ---
    stripe_item_discounts: Literal["replace", "merge"] = choice(
        "replace",
        "Whether `discounts` on a subscription item replaces the item's discounts or adds to them.",
    )
    stripe_item_discounts_blank: Literal["cleared", "unchanged"] = choice(
        "cleared",
        "Whether a blank `discounts` clears the discounts of a subscription item.",
    )
    stripe_discount_list_code: Literal["none", "parameter_invalid"] = choice(
        "none",
        "The error code for a coupon twice in one list, and for a 21st entry.",
    )
    stripe_exhausted_coupon_code: Literal["none", "coupon_expired"] = choice(
        "none",
        "The error code for a coupon whose max_redemptions is reached.",
    )
    stripe_currency_mismatch_code: Literal["none", "currency_mismatch"] = choice(
        "none",
        "The error code for an amount in a currency that the subscription does not have.",
    )
    stripe_phase_discounts_omitted: Literal["unset", "kept"] = choice(
        "unset",
        "Whether a phase that is sent without `discounts` loses those that it had. The "
        "documentation says so, reports say otherwise.",
    )
    stripe_phase_metadata: Literal["on_update_too", "on_entering"] = choice(
        "on_update_too",
        "Whether the metadata of the phase that is on reaches the subscription when the phase is "
        "updated. The documentation says: when the phase is entered.",
    )
    stripe_endpoint_limit: Literal["path", "method_and_path"] = choice(
        "path",
        "What the limit of each endpoint counts: reading and writing a path together, or apart. "
        "The documentation does not define an endpoint.",
    )
    stripe_active_phase_discount: Literal["discount", "coupon"] = choice(
        "discount",
        "Which member of a phase's discount is filled once the phase is active.",
    )
    stripe_phase_price: Literal["id", "object"] = choice(
        "id",
        "Whether the prices of a schedule's phases are ids or objects when they are not expanded.",
    )
    stripe_percent_decimals: Literal["two", "any"] = choice(
        "two",
        "How many decimals percent_off may have.",
    )
    stripe_coupon_id_characters: Literal["safe", "any"] = choice(
        "safe",
        "Whether a coupon id is limited to letters, digits, `-` and `_`.",
    )
    stripe_coupon_id_case: Literal["sensitive", "insensitive"] = choice(
        "sensitive",
        "Whether coupon ids that differ by case only are different.",
    )
    stripe_resent_coupon: Literal["counts", "does_not_count"] = choice(
        "counts",
        "Whether `{coupon}` for a coupon that is on the target already counts as a redemption.",
    )
    stripe_edit_under_schedule: Literal["splits_phase", "keeps_phase"] = choice(
        "splits_phase",
        "Whether a change of a subscription's items or discounts splits the active phase of its "
        "schedule.",
    )
    stripe_spent_discount_resent: Literal["refused", "ignored"] = choice(
        "refused",
        "What happens to the id of a discount that is used up, when it is sent back.",
    )
    stripe_inherited_discount: Literal["same_id", "new_id"] = choice(
        "same_id",
        "Whether the customer's discount keeps its id when it is put on a subscription.",
    )
    stripe_item_discount_hides_customers: Literal["no", "yes"] = choice(
        "no",
        "Whether a discount on an item hides the customer's discount, as one on the "
        "subscription does.",
    )
    stripe_blank_discounts_on_create: Literal["inherits", "none"] = choice(
        "inherits",
        "Whether a subscription that is created with blank `discounts` inherits the customer's.",
    )
    stripe_percent_rounding: Literal["half_up", "half_even", "down"] = choice(
        "half_up",
        "How a percentage of a line is rounded to the currency's unit.",
    )
    stripe_amount_off_limit: Literal["8_digits", "12_digits"] = choice(
        "8_digits",
        "The largest amount_off.",
    )
    stripe_three_decimals: Literal["refused", "accepted"] = choice(
        "refused",
        "Whether the account takes the three-decimal currencies, documented until about 2024.",
    )
    stripe_doubtful_currencies: Literal["accepted", "refused"] = choice(
        "accepted",
        "Whether currencies are still taken that were listed in 2023 and have been replaced since.",
    )
    stripe_missing_coupon_param: Literal["coupon", "id"] = choice(
        "coupon",
        "The `param` of the error for an unknown coupon in the path.",
    )
    stripe_wrong_mode: Literal["resource_missing", "livemode_mismatch"] = choice(
        "resource_missing",
        "The error for an object of the other mode.",
    )
    stripe_ended_schedule_code: Literal["none", "resource_invalid_state"] = choice(
        "none",
        "The error code for changing a schedule that has ended.",
    )
    stripe_released_by_end: Literal["released", "completed"] = choice(
        "released",
        "The status of a schedule whose phases ended with end_behavior `release`.",
    )
    stripe_expand_levels: Literal["every_segment", "without_data"] = choice(
        "every_segment",
        "Whether `data` counts as one of the four levels of an expansion.",
    )
    stripe_coupon_hidden_fields: Literal["expandable", "always"] = choice(
        "expandable",
        "Whether applies_to and currency_options of a coupon still have to be expanded.",
    )
    stripe_own_currency_option: Literal["absent", "present"] = choice(
        "absent", "Whether a coupon's own currency is among its currency_options."
    )
    stripe_delete_discount: Literal["all", "last", "refused"] = choice(
        "all",
        "What DELETE .../discount does to a subscription with several discounts.",
    )
    stripe_search_created: Literal["searchable", "refused"] = choice(
        "searchable",
        "Whether subscriptions can be searched by `created`.",
    )
    stripe_search_lag: Literal["minute", "none", "hour"] = choice(
        "minute",
        "How long a search does not see a change: normally under a minute, an hour in outages.",
    )
    stripe_preview_permission: Literal["rak_invoice_read", "none"] = choice(
        "rak_invoice_read",
        "The permission that a restricted key needs for the preview of an invoice.",
    )
    stripe_permission_check: Literal["first", "after_lookup"] = choice(
        "first",
        "Whether a restricted key is refused before it is known that there is no such object.",
    )
    stripe_account_permission: Literal["none", "rak_accounts_kyc_basic_read"] = choice(
        "none",
        "The permission that a restricted key needs to ask which account it belongs to.",
    )
    stripe_refusals_stored: Literal["not_stored", "stored"] = choice(
        "not_stored",
        "Whether an idempotency key keeps a 400 that depends on the account's state.",
    )
    stripe_once_without_effect: Literal["spent", "kept"] = choice(
        "spent",
        "Whether an invoice on which a `once` discount matched no line uses it up.",
    )
    stripe_rate_limits: Literal["off", "by_mode", "live"] = choice(
        "off",
        "Off for convenience. On, they are the documented ones; `live` is 100 a second for test "
        "keys too.",
    )

    # --- Salesforce ---
    salesforce_activation_trigger: Literal[
        "works", "fails_silently", "partial", "absent", "late"
    ] = choice(
        "works",
        "Whether the package's trigger writes the order coupons when an order is activated: all, "
        "none although it runs, half of them, none because it is not installed, or a minute late.",
    )
    salesforce_copied_currency: Literal["users_default", "coupons"] = choice(
        "users_default",
        "Which currency an order coupon has in a multi-currency org: the activating user's, or "
        "the quote coupon's.",
    )
    salesforce_orders_activated_together: Literal["last_only", "each"] = choice(
        "last_only",
        "Whether only the last of several orders of one quote gets coupons when they are "
        "activated in one call.",
    )
    salesforce_order_coupons_present: Literal["skip_order", "complete"] = choice(
        "skip_order",
        "Whether activation leaves an order alone that already has any coupon, or adds those "
        "that are missing.",
    )
    salesforce_line_coupons_go_to: Literal["last_item_of_line", "item_of_order"] = choice(
        "last_item_of_line",
        "Which order item gets the coupon of a quote line that is on several orders.",
    )
    salesforce_coupon_rules: Literal["on", "off"] = choice(
        "on",
        "Whether quote coupons need exactly one of amount and percent, at most 100 percent, and "
        "months when they repeat.",
    )
    salesforce_coupon_terms_lock: Literal["off", "on"] = choice(
        "off",
        "Whether amount, percent and duration of a quote coupon are locked once it has a Stripe "
        "id. Public documentation says that changing them makes a new Stripe coupon.",
    )
    salesforce_association_currency_check: Literal["on", "off"] = choice(
        "on",
        "Whether an association is refused when coupon, quote and association differ in currency "
        "(coupons with an amount, multi-currency orgs).",
    )
    salesforce_association_currency_default: Literal["masters", "users"] = choice(
        "masters",
        "The currency of an association that is created without one: its quote's or quote line's, "
        "or the user's default.",
    )
    salesforce_deleted_coupon_leaves: Literal[
        "association_with_its_id", "association_without_id", "nothing"
    ] = choice(
        "association_with_its_id",
        "What becomes of associations when their quote coupon is deleted: they keep its id, lose "
        "it, or are deleted with it.",
    )
    salesforce_activated_order_fields: Literal["locked", "open"] = choice(
        "locked",
        "Whether account, contract, price book and currency of an activated order are read-only, "
        "and its items fixed.",
    )
    salesforce_activation_needs_items: Literal["no", "yes"] = choice(
        "no", "Whether an order without order items can be activated."
    )
    salesforce_number_form: Literal["double", "shortest"] = choice(
        "double",
        "How numbers are written: as a double (`10.0`, `1.39E8`) or as briefly as JSON allows.",
    )
    salesforce_csv_datetimes: Literal["utc", "offset"] = choice(
        "utc", "How results of Bulk 2.0 write datetimes: `...Z`, or `...+0000` as JSON has them."
    )
    salesforce_csv_header: Literal["every_part", "first_part"] = choice(
        "every_part", "Which parts of a result of Bulk 2.0 begin with the names of the columns."
    )
    salesforce_extra_decimals: Literal["kept", "rounded", "refused"] = choice(
        "kept", "What happens to decimals beyond a number field's scale on writing."
    )
    salesforce_row_order: Literal["by_id", "scattered"] = choice(
        "by_id", "The order of rows that a query without ORDER BY leaves open."
    )
    salesforce_locked_row_status: Literal["400", "500"] = choice(
        "400", "The status of UNABLE_TO_LOCK_ROW."
    )
    salesforce_refused_access_status: Literal["403", "400"] = choice(
        "403", "The status of INSUFFICIENT_ACCESS_OR_READONLY."
    )
    salesforce_login: Literal["any", "registered"] = choice(
        "any",
        "Which credentials log in when none were registered: any that are well formed, or only "
        "the sandbox's own. (The real service knows its users.)",
    )
    salesforce_instance_url: Literal["as_called", "my_domain"] = choice(
        "as_called",
        "Which address a token reply names to a caller on the loopback address: that one, or the "
        "org's own (https://acme.my.salesforce.com, for clients whose adapter redirects only "
        "that). SOAP logins always get the org's own. (The real service knows only that.)",
    )


@dataclass(frozen=True)
class SwitchDescription:
    """One line of the table that people read."""

    name: str
    choices: tuple[str, ...]
    default: str
    unconfirmed: str


def _describe() -> tuple[SwitchDescription, ...]:
    return tuple(
        SwitchDescription(
            name=switch.name,
            choices=get_args(switch.type),
            default=cast(str, switch.default),
            unconfirmed=switch.metadata["unconfirmed"],
        )
        for switch in fields(Switches)
    )


SWITCHES: tuple[SwitchDescription, ...] = _describe()


class UnknownSwitchError(ValueError):
    """A switch or a choice that does not exist; the message names those that do."""


def turn(switches: Switches, wanted: Mapping[str, str]) -> None:
    """Set switches by name, all of them or, if one is unknown, none."""
    known = {switch.name: switch for switch in SWITCHES}
    for name, value in wanted.items():
        if name not in known:
            raise UnknownSwitchError(f"There is no switch {name!r}; there are {', '.join(known)}.")
        if value not in known[name].choices:
            choices = ", ".join(known[name].choices)
            raise UnknownSwitchError(f"Switch {name} is one of {choices}, not {value!r}.")
    for name, value in wanted.items():
        setattr(switches, name, value)


def positions(switches: Switches) -> dict[str, str]:
    """The present choice of each switch."""
    return {switch.name: cast(str, getattr(switches, switch.name)) for switch in SWITCHES}
