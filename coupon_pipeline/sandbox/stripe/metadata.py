"""Metadata: merged key by key, a blank unsets (https://docs.stripe.com/api/metadata)."""

from collections.abc import Mapping

from coupon_pipeline.sandbox.stripe.errors import invalid

MOST_KEYS = 50
LONGEST_KEY = 40
LONGEST_VALUE = 500


def merged(
    old: Mapping[str, str] | None, given: Mapping[str, str] | str | None, param: str = "metadata"
) -> dict[str, str]:
    """What the metadata is after a request; None leaves it, a blank clears it."""
    if given is None:
        return dict(old or {})
    if isinstance(given, str):
        return {}
    result = dict(old or {})
    for key, value in given.items():
        _check(key, value, param)
        if value == "":
            result.pop(key, None)
        else:
            result[key] = value
    if len(result) > MOST_KEYS:
        raise invalid(
            f"Metadata is limited to {MOST_KEYS} keys; this would make {len(result)}.", param
        )
    return result


def _check(key: str, value: str, param: str) -> None:
    if not key or len(key) > LONGEST_KEY:
        raise invalid(
            f"Invalid metadata key: {key!r}. Keys have between 1 and {LONGEST_KEY} characters.",
            f"{param}[{key}]",
        )
    if len(value) > LONGEST_VALUE:
        raise invalid(
            f"Metadata values can have up to {LONGEST_VALUE} characters, but you passed in a value "
            f"that is {len(value)} characters. Invalid value: {value[:20]}...",
            f"{param}[{key}]",
        )
