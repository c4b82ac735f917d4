"""JSON as it crosses the wire to Salesforce: numbers stay exact in both directions."""

import json
from collections.abc import Collection
from decimal import Decimal
from typing import TypeAlias

Json: TypeAlias = bool | int | Decimal | str | list["Json"] | dict[str, "Json"] | None


def json_text(value: Json) -> str:
    """The value as JSON text. The standard encoder knows no `Decimal`; a float is not exact."""
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError(f"{value} has no JSON form")
        return format(value, "f")
    if isinstance(value, list):
        return "[" + ",".join(json_text(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k)}:{json_text(v)}" for k, v in value.items()) + "}"
    return json.dumps(value)


def without_secrets(value: Json, secrets: Collection[str]) -> Json:
    """The value with every secret in its texts replaced, should a server repeat what it got."""
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, "[hidden]")
        return value
    if isinstance(value, list):
        return [without_secrets(item, secrets) for item in value]
    if isinstance(value, dict):
        return {key: without_secrets(item, secrets) for key, item in value.items()}
    return value


def as_object(value: Json) -> dict[str, Json]:
    """The value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: Json) -> list[Json]:
    """The value if it is a JSON list, else an empty one."""
    return value if isinstance(value, list) else []
