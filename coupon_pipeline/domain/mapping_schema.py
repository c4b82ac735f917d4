"""JSON Schema of the mapping file, for editors that check TOML while it is written."""

from typing import TypeAlias

from coupon_pipeline.domain.mapping import (
    COUPON_FIELDS,
    CURRENCY_OPTIONS,
    METADATA_KEY_LENGTH,
    METADATA_KEYS,
    OWN_KEYS,
    PATH_PATTERN,
)
from coupon_pipeline.domain.terms import DURATIONS

Schema: TypeAlias = "str | int | bool | list[Schema] | dict[str, Schema]"

_DESCRIPTIONS = {
    "name": "Shown to customers; at most 40 characters.",
    "percent_off": "Above 0 and at most 100, with at most 2 decimals.",
    "amount_off": "In major units of the coupon's currency.",
    "currency": "Code of the amount's currency.",
    "duration": "once, repeating or forever.",
    "duration_in_months": "Counts with repeating only.",
    "max_redemptions": "Shared by all orders that use the coupon.",
    "redeem_by": "A date (until its end in UTC) or a time.",
    "applies_to.products": "Stripe product ids, separated by commas or semicolons.",
}


def json_schema() -> dict[str, Schema]:
    """The schema, as a document that can be written beside the mapping file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Mapping from Salesforce quote coupons to Stripe coupons",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "coupon": _section(
                {
                    **_coupon_fields({key: _path(text) for key, text in _DESCRIPTIONS.items()}),
                    "metadata": {
                        "type": "object",
                        "description": "Metadata key to path.",
                        "maxProperties": METADATA_KEYS - OWN_KEYS,
                        "propertyNames": {"pattern": rf"^[^\[\]]{{1,{METADATA_KEY_LENGTH}}}$"},
                        "additionalProperties": _path("The path whose value the key holds."),
                    },
                    "defaults": _section(
                        _coupon_fields(_defaults()), "Values for fields that a record leaves empty."
                    ),
                },
                'Stripe field to path from the quote coupon; "" takes a field out.',
            ),
            "currency": _section(
                {
                    "options": {
                        "enum": ["", *CURRENCY_OPTIONS],
                        "description": "corporate_rates converts amounts by the org's own rates.",
                    }
                },
                "Amounts in further currencies.",
            ),
        },
    }


def _section(properties: dict[str, Schema], description: str) -> dict[str, Schema]:
    return {
        "type": "object",
        "description": description,
        "additionalProperties": False,
        "properties": properties,
    }


def _coupon_fields(each: dict[str, Schema]) -> dict[str, Schema]:
    """Stripe's fields; TOML reads `applies_to.products` as a table within a table."""
    top: dict[str, Schema] = {key: each[key] for key in COUPON_FIELDS if "." not in key}
    products = each["applies_to.products"]
    return {
        **top,
        "applies_to.products": products,
        "applies_to": _section({"products": products}, "Limits of what is discounted."),
    }


def _path(description: str) -> dict[str, Schema]:
    return {"type": "string", "pattern": rf"^(?:{PATH_PATTERN})?$", "description": description}


def _defaults() -> dict[str, Schema]:
    number: Schema = {"type": ["number", "string"]}
    whole: Schema = {"type": ["integer", "string"], "minimum": 1}
    return {
        "name": {"type": "string", "minLength": 1},
        "percent_off": number,
        "amount_off": number,
        "currency": {"type": "string", "pattern": "^[A-Za-z]{3}$"},
        "duration": {"enum": list(DURATIONS)},
        "duration_in_months": whole,
        "max_redemptions": whole,
        "redeem_by": {"type": "string"},
        "applies_to.products": {
            "type": ["string", "array"],
            "items": {"type": "string"},
        },
    }
