"""Decoded forms become typed parameters, or Stripe's refusal of what does not fit."""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from coupon_pipeline.sandbox.stripe.contract import (
    Either,
    ListOf,
    MapOf,
    OneOf,
    Scalar,
    Shape,
    Type,
)
from coupon_pipeline.sandbox.stripe.errors import (
    StripeError,
    invalid,
    missing_parameter,
    unknown_parameters,
)
from coupon_pipeline.sandbox.stripe.form import Form, Node

INTEGER = re.compile(r"^-?\d{1,18}$")
DECIMAL = re.compile(r"^-?\d+(\.\d+)?$")
LONGEST_TEXT = 5000


def read(shape: Shape, form: Form) -> dict[str, Any]:
    """Typed parameters: text, int, Decimal, bool, lists and dicts; `""` where blank is allowed.

    Raises StripeError for anything unknown, missing or of the wrong type, at every depth.
    """
    unknown = list(_unknown(shape, form, ""))
    if unknown:
        raise unknown_parameters(unknown)
    return _shape(shape, form, "")


def _unknown(kind: Type, node: Node, path: str) -> Iterator[str]:
    """Names of all parameters that the types do not have."""
    if isinstance(node, str):
        return
    if isinstance(kind, Either):
        fitting = [one for one in kind.options if isinstance(one, Shape | ListOf | MapOf)]
        if fitting:
            yield from _unknown(fitting[0], node, path)
    elif isinstance(kind, Shape):
        for key, value in node.items():
            name = f"{path}[{key}]" if path else key
            if key not in kind.fields:
                yield name
            else:
                yield from _unknown(kind.fields[key], value, name)
    elif isinstance(kind, ListOf | MapOf):
        inner = kind.item if isinstance(kind, ListOf) else kind.value
        for key, value in node.items():
            yield from _unknown(inner, value, f"{path}[{key}]")


def _shape(shape: Shape, form: Form, path: str) -> dict[str, Any]:
    for key in shape.required:
        if key not in form:
            raise missing_parameter(f"{path}[{key}]" if path else key)
    return {
        key: _value(shape.fields[key], value, f"{path}[{key}]" if path else key)
        for key, value in form.items()
    }


def _value(kind: Type, node: Node, path: str) -> Any:
    if isinstance(kind, Scalar):
        return _scalar(kind, node, path)
    if isinstance(kind, OneOf):
        return _choice(kind, node, path)
    if isinstance(kind, Either):
        return _either(kind, node, path)
    if isinstance(node, str):
        noun = "array" if isinstance(kind, ListOf) else "object"
        raise invalid(f"Invalid {noun}", path)
    if isinstance(kind, ListOf):
        return _list(kind, node, path)
    if isinstance(kind, MapOf):
        return {key: _map_value(kind.value, value, f"{path}[{key}]") for key, value in node.items()}
    return _shape(kind, node, path)


def _map_value(kind: Type, node: Node, path: str) -> Any:
    """In a map a blank text is a value: it unsets a metadata key."""
    if kind == Scalar("string") and node == "":
        return ""
    return _value(kind, node, path)


def _list(kind: ListOf, node: Form, path: str) -> list[Any]:
    if not all(key.isdigit() for key in node):
        raise invalid("Invalid array", path)
    ordered = sorted(node.items(), key=lambda pair: int(pair[0]))
    return [_value(kind.item, value, f"{path}[{key}]") for key, value in ordered]


def _either(kind: Either, node: Node, path: str) -> Any:
    if isinstance(node, dict):
        for option in kind.options:
            if isinstance(option, ListOf | MapOf | Shape):
                return _value(option, node, path)
        raise invalid("Invalid string: a hash was passed", path)
    refusal: StripeError | None = None
    for option in kind.options:
        if isinstance(option, OneOf) and node in option.values:
            return node
    for option in kind.options:
        if isinstance(option, ListOf | MapOf | Shape):
            continue
        try:
            return _value(option, node, path)
        except StripeError as error:
            if not (isinstance(option, OneOf) and option.values == ("",)):
                refusal = error
    noun = "array" if any(isinstance(one, ListOf) for one in kind.options) else "object"
    raise refusal or invalid(f"Invalid {noun}", path)


def _choice(kind: OneOf, node: Node, path: str) -> str:
    if isinstance(node, str) and node in kind.values:
        return node
    name = path.rsplit("[", 1)[-1].rstrip("]")
    *others, last = kind.values
    choices = f"{', '.join(others)} or {last}" if others else last
    raise invalid(f"Invalid {name}: must be one of {choices}", path)


def _scalar(kind: Scalar, node: Node, path: str) -> Any:
    if not isinstance(node, str):
        raise invalid(f"Invalid {kind.kind.split('_')[0]}: a hash was passed", path)
    if node == "":
        name = path.rsplit("[", 1)[-1].rstrip("]")
        raise invalid(
            f"You passed an empty string for '{path}'. We assume empty values are an attempt to "
            f"unset a parameter; however '{name}' cannot be unset. You should remove '{name}' from "
            "your request or supply a non-empty value.",
            path,
            "parameter_invalid_empty",
        )
    if kind.kind == "string":
        return _text(node, path)
    if kind.kind == "integer":
        if not INTEGER.match(node):
            raise invalid(f"Invalid integer: {node}", path, "parameter_invalid_integer")
        return int(node)
    if kind.kind == "boolean":
        if node not in {"true", "false"}:
            raise invalid(f"Invalid boolean: {node}", path)
        return node == "true"
    if not DECIMAL.match(node):
        raise invalid(f"Invalid decimal: {node}", path)
    return Decimal(node)


def _text(text: str, path: str) -> str:
    if len(text) > LONGEST_TEXT:
        raise invalid(
            f"Invalid string: {text[:20]}...; must be at most {LONGEST_TEXT} characters", path
        )
    return text
