"""Writes as data: what a plan says will be sent, and one hash for anything a plan rests on."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Literal, TypeAlias

System: TypeAlias = Literal["stripe", "salesforce"]


@dataclass(frozen=True, slots=True)
class PlannedWrite:
    """One write to Stripe, or one record to write to Salesforce, before it is sent."""

    system: System
    operation: str
    target_id: str
    """The object's id; of a new order coupon the snapshot, of a sync record its compound id."""
    body: str
    """Canonical JSON, as it is sent."""
    order_ids: tuple[str, ...] = ()
    """Whose orders it is for; people read it, it is no part of the write."""

    @property
    def digest(self) -> str:
        """What two writes share only if they do the same to the same object."""
        return digest_of((self.system, self.operation, self.target_id, self.body))


def digest_of(value: object) -> str:
    """SHA-256 of a value's canonical JSON, in hexadecimal.

    Takes dataclasses, mappings, sequences, sets and the values of the ledger's columns; two values
    that differ only in the order of a set or of a mapping's keys have the same digest.
    """
    text = _ENCODER.encode(_canonical(value))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@cache
def _field_names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


_ATOMS = frozenset({str, int, bool, type(None)})
"""Kinds of most values by far, known by one look."""


def _canonical(value: object) -> object:
    if type(value) in _ATOMS or isinstance(value, (str, int)):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _canonical(getattr(value, name)) for name in _field_names(type(value))}
    if isinstance(value, Mapping):
        return {
            str(key): each if type(each) in _ATOMS else _canonical(each)
            for key, each in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_canonical(each) for each in value]
    if isinstance(value, (set, frozenset)):
        return sorted(digest_of(each) for each in value)
    if isinstance(value, (date, datetime, Decimal)):
        return {type(value).__name__: str(value)}
    raise TypeError(f"{type(value).__name__} has no canonical form")
