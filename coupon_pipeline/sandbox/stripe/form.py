"""Bracketed form encoding, as Stripe takes it in bodies and query strings."""

import re
from typing import TypeAlias
from urllib.parse import parse_qsl

from coupon_pipeline.sandbox.stripe.errors import StripeError

Node: TypeAlias = "str | dict[str, Node]"
Form: TypeAlias = dict[str, Node]

KEY = re.compile(r"^([^\[\]]+)((?:\[[^\[\]]*\])*)$")


def decode(text: str) -> Form:
    """Nested maps and texts; a list is a map with the keys `0`, `1`, ...

    Which maps are lists only the endpoint's parameters can tell: a metadata key may be all
    digits. A blank value is kept, since it clears. Raises StripeError for keys that are no
    bracketed form or that contradict each other.
    """
    form: Form = {}
    for key, value in parse_qsl(text, keep_blank_values=True, errors="replace"):
        path = _path(key)
        _put(form, path, value, key)
    return form


def _path(key: str) -> list[str]:
    if "[" not in key:
        return [key]
    match = KEY.match(key)
    if match is None:
        raise StripeError(f"Invalid parameter name: {key}", param=key)
    return [match[1], *match[2][1:-1].split("][")]


def _put(form: Form, path: list[str], value: str, key: str) -> None:
    holder = form
    for part in path[:-1]:
        name = part or str(len(holder))
        inner = holder.setdefault(name, {})
        if isinstance(inner, str):
            raise StripeError(f"Invalid parameter: {key} is both a value and a hash", param=key)
        holder = inner
    last = path[-1]
    name = last if last or len(path) == 1 else str(len(holder))
    if isinstance(holder.get(name), dict):
        raise StripeError(f"Invalid parameter: {key} is both a value and a hash", param=key)
    holder[name] = value
