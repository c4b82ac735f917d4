"""Idempotency keys that follow from what is written, so that a repeated run repeats the key.

Stripe keeps a key for at least 24 hours and then forgets it, so a key is a help, never the
guarantee: https://docs.stripe.com/api/idempotent_requests
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from hashlib import sha256

from coupon_pipeline.domain.currency import plain

MOST_KEYS = 5
"""How many stored answers to the same write we look past before giving up."""


def idempotency_key(
    operation: str, target: str, desired_state: Mapping[str, object], epoch: int
) -> str:
    """The key of one write: the same intent always gives the same key.

    `epoch` is raised when a stored answer must not come back: Stripe replays errors, too.

    Raises:
        TypeError: the state holds a float or something that has no exact text.
    """
    intent = {"operation": operation, "target": target, "state": desired_state, "epoch": epoch}
    return f"coupon-pipeline-{sha256(canonical_json(intent).encode()).hexdigest()}"


def holds(there: Mapping[str, str], written: Mapping[str, str]) -> bool:
    """Whether metadata has what was written to it; `""` is what removed a key."""
    return all(there.get(key, "") == value for key, value in written.items())


def canonical_json(value: object) -> str:
    """One text for equal values: keys sorted, no spaces, decimals as plain text.

    Raises:
        TypeError: a float or an unknown type, which would not have one exact text.
    """
    return json.dumps(_exact(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _exact(value: object) -> object:
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, Decimal) and value.is_finite():
        return plain(value)
    if isinstance(value, Mapping):
        return {str(key): _exact(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_exact(inner) for inner in value]
    raise TypeError(f"{value!r} has no exact text")
