"""Values between JSON and the store: what each field type accepts, and how it is written out."""

import math
import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache
from typing import Literal, TypeAlias

from coupon_pipeline.sandbox.salesforce.errors import SalesforceError
from coupon_pipeline.sandbox.salesforce.ids import to_18
from coupon_pipeline.sandbox.salesforce.schema.model import NUMBER_KINDS, Field
from coupon_pipeline.sandbox.salesforce.schema.spec import Scalar

ExtraDecimals: TypeAlias = Literal["kept", "rounded", "refused"]
"""What becomes of decimals beyond a field's scale."""

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_DATETIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}:\d{2})(?:\.\d{1,6})?(Z|[+-]\d{2}:?\d{2})?"
)
_PLAIN_LIMIT = 10_000_000
_SMALLEST_PLAIN = 0.001


def stamp(at: datetime) -> str:
    """A datetime as Salesforce writes it: UTC, whole seconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def moment_of(text: str) -> datetime:
    """The time that a stamp names."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")


def parse_datetime(text: str) -> str | None:
    """A datetime in any accepted form as a stamp; None if it is none. Without zone it is UTC."""
    match = _DATETIME.fullmatch(text)
    if match is None:
        return None
    try:
        naive = datetime.strptime(f"{match[1]}T{match[2]}", "%Y-%m-%dT%H:%M:%S")  # noqa: DTZ007 - the zone follows
    except ValueError:
        return None
    return stamp(naive.replace(tzinfo=_zone(match[3] or "Z")))


def _zone(text: str) -> timezone:
    if text == "Z":
        return UTC
    digits = text[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)


def parse_date(text: str) -> str | None:
    """A day as YYYY-MM-DD; None if it is none."""
    if _DATE.fullmatch(text) is None:
        return None
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        return None


@lru_cache(maxsize=65_536)
def double_text(value: Decimal) -> str:
    """A number as the real service writes a double: `10.0`, `12.5`, `1.39E8`."""
    number = float(value)
    if number == 0:
        return "0.0"
    if _SMALLEST_PLAIN <= abs(number) < _PLAIN_LIMIT:
        return repr(number)
    mantissa, _, exponent = f"{Decimal(repr(number)).normalize():E}".partition("E")
    if "." not in mantissa:
        mantissa += ".0"
    return f"{mantissa}E{int(exponent)}"


@lru_cache(maxsize=65_536)
def shortest_text(value: Decimal) -> str:
    """A number as briefly as JSON allows: `10`, `12.5`, `139000000`."""
    plain = f"{value.normalize():f}"
    return "0" if plain == "-0" else plain


def coerce(field: Field, value: object, *, extra_decimals: ExtraDecimals) -> Scalar:
    """What the store keeps for a JSON value, or the refusal that Salesforce gives."""
    spec = field.spec
    if value is None or value == "":
        return _absent(field)
    if isinstance(value, (dict, list)):
        raise _unreadable(
            field, value, "START_OBJECT" if isinstance(value, dict) else "START_ARRAY"
        )
    if spec.kind == "boolean":
        return _boolean(field, value)
    if spec.kind in NUMBER_KINDS:
        return _number(field, value, extra_decimals=extra_decimals)
    if spec.kind in {"date", "datetime"}:
        return _time(field, value)
    if spec.kind in {"reference", "id"}:
        return _reference(field, str(value))
    return _text(field, value)


def _absent(field: Field) -> Scalar:
    if field.spec.kind == "boolean":
        raise _unreadable(field, None, "VALUE_NULL")
    return None


def _text(field: Field, value: object) -> str:
    if isinstance(value, bool):
        value = "true" if value else "false"
    text = str(value)
    spec = field.spec
    if spec.kind == "picklist":
        return text
    text = text.strip() if spec.kind != "textarea" else text
    if spec.length and len(text) > spec.length:
        shown = text if len(text) <= 255 else text[:255]  # noqa: PLR2004 - only so much is repeated
        raise SalesforceError(
            "STRING_TOO_LONG",
            f"{spec.label}: data value too large: {shown} (max length={spec.length})",
            [field.name],
        )
    return text


def _boolean(field: Field, value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    raise _unreadable(field, value, "VALUE_STRING")


def _number(field: Field, value: object, *, extra_decimals: ExtraDecimals) -> Decimal | int:
    spec = field.spec
    if isinstance(value, bool):
        raise _unreadable(field, value, "VALUE_TRUE" if value else "VALUE_FALSE")
    try:
        number = Decimal(str(value))
    except InvalidOperation as error:
        raise _unreadable(field, value, "VALUE_STRING") from error
    if not number.is_finite():
        raise _unreadable(field, value, "VALUE_STRING")
    if spec.kind == "int":
        if number != number.to_integral_value():
            raise _unreadable(field, value, "VALUE_NUMBER_FLOAT")
        return int(number)
    whole_digits = spec.precision - spec.scale
    if abs(number) >= Decimal(10) ** whole_digits:
        raise SalesforceError(
            "NUMBER_OUTSIDE_VALID_RANGE",
            f"{spec.label}: value outside of valid range on numeric field: {number}",
            [field.name],
        )
    rounded = number.quantize(Decimal(1).scaleb(-spec.scale), rounding=ROUND_HALF_UP)
    if rounded != number and extra_decimals == "kept":
        return number
    if rounded != number and extra_decimals == "refused":
        raise SalesforceError(
            "NUMBER_OUTSIDE_VALID_RANGE",
            f"{spec.label}: too many decimal places on numeric field: {number}",
            [field.name],
        )
    return rounded


def _time(field: Field, value: object) -> str:
    text = str(value)
    if field.spec.kind == "date":
        parsed = parse_date(text.partition("T")[0])
    else:
        parsed = parse_datetime(text) or parse_datetime(f"{text}T00:00:00Z")
    if parsed is None or not isinstance(value, str):
        raise _unreadable(field, value, "VALUE_STRING")
    return parsed


def _reference(field: Field, value: str) -> str:
    full = to_18(value)
    if full is None:
        raise malformed_id(field, value)
    return full


def malformed_id(field: Field, value: str) -> SalesforceError:
    """The value is no id, or an id of another object."""
    return SalesforceError(
        "MALFORMED_ID", f"{field.spec.label} ID: id value of incorrect type: {value}", [field.name]
    )


def _unreadable(field: Field, value: object, token: str) -> SalesforceError:
    kind = {"textarea": "string", "picklist": "string"}.get(field.spec.kind, field.spec.kind)
    shown = "" if value is None else f" value {value}"
    return SalesforceError(
        "JSON_PARSER_ERROR",
        f"Cannot deserialize instance of {kind} from {token}{shown} or request may be missing a "
        "required field at [line:1, column:1]",
    )


def from_journal(field: Field, value: object) -> Scalar:
    """A value as the journal kept it, where numbers are text."""
    if value is None or isinstance(value, bool):
        return value
    if field.spec.kind == "int":
        return int(str(value))
    if field.spec.kind in NUMBER_KINDS:
        return Decimal(str(value))
    return str(value)


def trusted(field: Field, value: object) -> Scalar:
    """A value of the company's own making: brought to the stored form, not judged."""
    if isinstance(value, date):
        return trusted_time(value)
    if field.spec.kind in NUMBER_KINDS and not isinstance(value, Decimal) and value is not None:
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{field.name} cannot hold {value}")
        return int(str(value)) if field.spec.kind == "int" else Decimal(str(value))
    if value is None or isinstance(value, (str, int, Decimal)):
        return value
    raise TypeError(f"{field.name} cannot hold {value!r}")


def trusted_time(value: date) -> str:
    """A datetime (which is a date, too) or a day in the stored form."""
    return stamp(value) if isinstance(value, datetime) else value.isoformat()
