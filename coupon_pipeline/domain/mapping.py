"""The mapping file: which Salesforce field feeds which Stripe field or metadata key.

TOML; left the Stripe field, right a path from the quote coupon as SOQL would write it. A file
changes the default mapping line by line and `""` takes a field out. Fields of the managed package
are written without its namespace, a customer's own as they are.
"""

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, TypeAlias, cast

from coupon_pipeline.domain.currency import plain
from coupon_pipeline.domain.problems import render
from coupon_pipeline.domain.raw_values import (
    UnreadableError,
    exact_number,
    iso,
    unix_seconds,
    whole_number,
)
from coupon_pipeline.domain.records import Scalar
from coupon_pipeline.domain.terms import DURATIONS

CouponField: TypeAlias = Literal[
    "name",
    "percent_off",
    "amount_off",
    "currency",
    "duration",
    "duration_in_months",
    "max_redemptions",
    "redeem_by",
    "applies_to.products",
]
COUPON_FIELDS: tuple[CouponField, ...] = (
    "name",
    "percent_off",
    "amount_off",
    "currency",
    "duration",
    "duration_in_months",
    "max_redemptions",
    "redeem_by",
    "applies_to.products",
)
CurrencyOptions: TypeAlias = Literal["off", "corporate_rates"]
CURRENCY_OPTIONS: tuple[CurrencyOptions, ...] = ("off", "corporate_rates")

METADATA_KEYS = 50
METADATA_KEY_LENGTH = 40
METADATA_VALUE_LENGTH = 500
"""Stripe's limits for metadata (https://docs.stripe.com/api/metadata)."""

TERMS_KEY = "coupon_pipeline_terms"
PROOF_KEY = "coupon_pipeline"
RECORD_KEYS = ("quote_stripe_coupon_id", "quote_stripe_coupon_link")
OWN_KEYS = len(RECORD_KEYS) + 1
"""How many of the metadata keys the pipeline needs for itself."""

MAX_RELATIONSHIPS = 5
"""SOQL follows at most five relationships from child to parent in one path."""

PATH_PATTERN = rf"[A-Za-z]\w*(?:\.[A-Za-z]\w*){{0,{MAX_RELATIONSHIPS}}}"
_PATH = re.compile(PATH_PATTERN, re.ASCII)


class MappingError(Exception):
    """The mapping file cannot be used. `code`, `message` and `fix` are as in the catalogue."""

    def __init__(self, code: str, details: Mapping[str, str]) -> None:
        self.code = code
        self.message, self.fix = render(code, details)
        super().__init__(f"{self.message} {self.fix}")


@dataclass(frozen=True, slots=True)
class CouponMapping:
    """A mapping in force: the default one with a file's changes."""

    fields: Mapping[CouponField, str]
    """Stripe field to path, without those that were taken out."""
    metadata: Mapping[str, str]
    """Metadata key to path."""
    defaults: Mapping[CouponField, Scalar]
    """Values for fields that the record leaves empty."""
    currency_options: CurrencyOptions
    mapping_hash: str
    """SHA-256 of the canonical mapping: the same however the file is laid out."""

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path that is read, sorted, each once."""
        return tuple(sorted({*self.fields.values(), *self.metadata.values()}))

    def relationship_paths(self) -> tuple[str, ...]:
        """Those that leave the quote coupon, to be asked for beside its own fields."""
        return tuple(path for path in self.paths if "." in path)


_DEFAULT_FIELDS: Mapping[CouponField, str] = {
    "name": "Name__c",
    "percent_off": "Percent_Off__c",
    "amount_off": "Amount_Off__c",
    "currency": "CurrencyIsoCode",
    "duration": "Duration__c",
    "duration_in_months": "Duration_In_Months__c",
    "max_redemptions": "Max_Redemptions__c",
}


def parse_mapping(text: str | None, *, metadata_prefix: str = "salesforce_") -> CouponMapping:
    """The mapping that a file's text asks for; None or an empty text is the default mapping.

    `metadata_prefix` begins the keys that the pipeline itself writes, which cannot be mapped.

    Raises:
        MappingError: naming the line or the key, and what to write instead.
    """
    return _Reader(text or "", metadata_prefix).read()


class _Reader:
    """Reads one file. Keeps the text, so that an error can name the line."""

    def __init__(self, text: str, prefix: str) -> None:
        self._text = text
        self._reserved = {TERMS_KEY, PROOF_KEY, *(prefix + key for key in RECORD_KEYS)}

    def read(self) -> CouponMapping:
        try:
            document = tomllib.loads(self._text, parse_float=Decimal)
        except tomllib.TOMLDecodeError as error:
            line = re.search(r"at line \d+, column \d+", str(error))
            where = line.group().removeprefix("at ") if line else "its end"
            reason = re.sub(r" \(at .*\)$", "", str(error))
            raise self._invalid(where, f"it is no TOML: {reason}", "Correct the line.") from None
        self._only_known(document, ("coupon", "currency"), "")
        coupon = self._table(document, "coupon", "coupon")
        currency = self._table(document, "currency", "currency")
        self._only_known(currency, ("options",), "currency.")
        metadata = self._table(coupon, "metadata", "coupon.metadata")
        defaults = self._table(coupon, "defaults", "coupon.defaults")
        fields = self._fields(
            {key: value for key, value in coupon.items() if key not in ("metadata", "defaults")},
            "coupon.",
        )
        return _mapping(
            fields={
                **{key: path for key, path in _DEFAULT_FIELDS.items() if key not in fields},
                **{key: self._path(key, value) for key, value in fields.items() if value != ""},
            },
            metadata=self._metadata(metadata),
            defaults={
                key: self._default(key, value)
                for key, value in self._fields(defaults, "coupon.defaults.").items()
            },
            currency_options=self._options(currency),
        )

    def _fields(self, table: Mapping[str, object], section: str) -> dict[CouponField, object]:
        """Stripe fields of a section; `applies_to.products` also in its two-level form."""
        flat: dict[str, object] = {}
        for key, value in table.items():
            if key == "applies_to" and isinstance(value, dict):
                flat.update({f"applies_to.{inner}": each for inner, each in value.items()})
            else:
                flat[key] = value
        self._only_known(flat, COUPON_FIELDS, section)
        return cast("dict[CouponField, object]", flat)

    def _metadata(self, table: Mapping[str, object]) -> dict[str, str]:
        mapped: dict[str, str] = {}
        for key, value in table.items():
            if value == "":
                continue
            if not 0 < len(key) <= METADATA_KEY_LENGTH or set(key) & set("[]"):
                raise MappingError(
                    "metadata.key_invalid", {"key": key, "limit": str(METADATA_KEY_LENGTH)}
                )
            if key in self._reserved:
                raise MappingError("mapping.key_reserved", {"key": key, "where": self._where(key)})
            mapped[key] = self._path(f"coupon.metadata.{key}", value)
        if len(mapped) + OWN_KEYS > METADATA_KEYS:
            raise MappingError(
                "metadata.too_many_keys",
                {"count": str(len(mapped) + OWN_KEYS), "limit": str(METADATA_KEYS)},
            )
        return mapped

    def _path(self, target: str, value: object) -> str:
        key = target.removeprefix("coupon.metadata.")
        if not isinstance(value, str):
            raise self._invalid(
                self._where(key),
                f"{target} is {_toml_kind(value)}, and a path is a text",
                'Write the path in quotes, such as "Name__c".',
            )
        reason = _path_fault(value)
        if reason is None:
            return value
        raise MappingError(
            "mapping.path_invalid",
            {"target": target, "where": self._where(key), "path": value, "reason": reason},
        )

    def _default(self, key: CouponField, value: object) -> Scalar:
        try:
            return _literal(key, value)
        except UnreadableError as error:
            raise MappingError(
                "mapping.default_invalid",
                {
                    "target": key,
                    "where": self._where(key, section="coupon.defaults"),
                    "value": str(value),
                    "reason": str(error),
                },
            ) from None

    def _options(self, table: Mapping[str, object]) -> CurrencyOptions:
        value = table.get("options") or "off"
        for known in CURRENCY_OPTIONS:
            if value == known:
                return known
        raise self._invalid(
            self._where("options", section="currency"),
            f"options is {value!r}",
            'Write "corporate_rates", or leave the line out.',
        )

    def _table(self, parent: Mapping[str, object], key: str, name: str) -> dict[str, object]:
        value = parent.get(key, {})
        if isinstance(value, dict):
            return value
        raise self._invalid(
            self._where(key),
            f"{name} is {_toml_kind(value)}, not a section",
            f"Write [{name}] on a line of its own and the entries below it.",
        )

    def _only_known(
        self, table: Mapping[str, object], known: tuple[str, ...], section: str
    ) -> None:
        for key in table:
            if key not in known:
                raise self._invalid(
                    self._where(key, section=section.rstrip(".")),
                    f"{section}{key} is unknown",
                    f"Use one of: {', '.join(known)}.",
                )

    def _invalid(self, where: str, reason: str, advice: str) -> MappingError:
        return MappingError("mapping.invalid", {"where": where, "reason": reason, "advice": advice})

    def _where(self, key: str, *, section: str | None = None) -> str:
        """The line that holds the key, as well as it can be told from the text."""
        last = re.escape(key.rsplit(".", 1)[-1])
        wanted = re.compile(rf"""\s*\[?["'\w.-]*?(?<![\w-]){last}["']?\s*[\].=]""")
        current = ""
        for number, line in enumerate(self._text.splitlines(), start=1):
            header = re.match(r"\s*\[([^\]]+)\]", line)
            if header:
                current = header.group(1).strip()
            if wanted.match(line) and (not section or header or current == section):
                return f"line {number}"
        return f"[{section}]" if section else key


def _mapping(
    *,
    fields: Mapping[CouponField, str],
    metadata: Mapping[str, str],
    defaults: Mapping[CouponField, Scalar],
    currency_options: CurrencyOptions,
) -> CouponMapping:
    content = {
        "fields": dict(fields),
        "metadata": dict(metadata),
        "defaults": {key: _canonical_default(value) for key, value in defaults.items()},
        "currency_options": currency_options,
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return CouponMapping(
        fields=fields,
        metadata=metadata,
        defaults=defaults,
        currency_options=currency_options,
        mapping_hash=hashlib.sha256(text.encode()).hexdigest(),
    )


def _canonical_default(value: Scalar) -> str:
    return plain(Decimal(value)) if isinstance(value, (int, Decimal)) else str(value)


def _path_fault(path: str) -> str | None:
    """What is wrong with the form of a path, None when nothing is."""
    segments = path.split(".")
    if len(segments) > MAX_RELATIONSHIPS + 1:
        return f"it follows {len(segments) - 1} relationships and at most {MAX_RELATIONSHIPS} work"
    if not _PATH.fullmatch(path):
        return "it must be names of letters, digits and underscores, joined by points"
    for segment in segments[:-1]:
        if segment.endswith("__c"):
            return f"within a path the lookup {segment} is written {segment[:-1]}r"
    if segments[-1].endswith("__r"):
        return f"it ends in the relationship {segments[-1]} and names no field of it"
    return None


def _literal(key: CouponField, value: object) -> Scalar:
    """A default as a raw value, after the same reading that a record's value goes through."""
    if isinstance(value, list):
        if key != "applies_to.products" or not all(isinstance(each, str) for each in value):
            raise UnreadableError("only applies_to.products takes a list, of texts")
        value = ";".join(value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise UnreadableError("a time needs its zone, such as Z")
        value = iso(value)
    if isinstance(value, date):
        value = value.isoformat()
    if not isinstance(value, (str, int, Decimal)) or isinstance(value, bool) or value == "":
        raise UnreadableError("it must be a text or a number")
    try:
        _read_default(key, value)
    except UnreadableError:
        raise UnreadableError(_EXPECTED[key]) from None
    return value


_EXPECTED: Mapping[CouponField, str] = {
    "name": "it must be a text",
    "percent_off": "it must be a number",
    "amount_off": "it must be a number",
    "currency": "it must be a code of three letters",
    "duration": f"it must be one of {', '.join(DURATIONS)}",
    "duration_in_months": "it must be a whole number above 0",
    "max_redemptions": "it must be a whole number above 0",
    "redeem_by": "it must be a date or a time with its zone",
    "applies_to.products": "it must be Stripe product ids",
}


def _read_default(key: CouponField, value: str | int | Decimal) -> None:
    if key in ("percent_off", "amount_off"):
        exact_number(value)
    elif key in ("duration_in_months", "max_redemptions"):
        if (whole_number(value) or 0) < 1:
            raise UnreadableError(str(value))
    elif key == "redeem_by":
        unix_seconds(value)
    elif (
        not isinstance(value, str)
        or (key == "duration" and value not in DURATIONS)
        or (key == "currency" and not re.fullmatch(r"[A-Za-z]{3}", value))
    ):
        raise UnreadableError(str(value))


def _toml_kind(value: object) -> str:
    kinds: Mapping[type, str] = {
        bool: "a boolean",
        int: "a number",
        Decimal: "a number",
        str: "a text",
        list: "a list",
        dict: "a section",
    }
    return kinds.get(type(value), "a date or time")


DEFAULT_MAPPING = parse_mapping(None)
"""One to one, and no default duration: a coupon without a duration is not guessed into one."""
