"""Raw Salesforce values read as numbers, texts and times: exactly, or not at all."""

import re
from datetime import UTC, date, datetime, time
from decimal import Decimal

from coupon_pipeline.domain.currency import plain
from coupon_pipeline.domain.records import Scalar

_EXACT_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(?:\.[0-9]{1,18})?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DATETIME = re.compile(
    r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(\.\d{1,6})?(Z|[+-]\d{2}:?\d{2})", re.ASCII
)


class UnreadableError(ValueError):
    """The value is there but is not what the field needs."""


def is_blank(value: Scalar) -> bool:
    """Null, or a text without any character that can be seen."""
    return value is None or (isinstance(value, str) and not value.strip())


def exact_number(value: Scalar) -> Decimal | None:
    """The number, None when blank.

    A text counts when it is an exact decimal: custom fields hold numbers as text. `1e3`, `10%` or
    `1,000` could be read in more than one way and are refused with `UnreadableError`.
    """
    if is_blank(value):
        return None
    if isinstance(value, bool):
        raise UnreadableError(str(value))
    if isinstance(value, int):
        return Decimal(value)
    if isinstance(value, Decimal):
        if value.is_finite():
            return value
        raise UnreadableError(str(value))
    text = str(value).strip()
    if _EXACT_NUMBER.fullmatch(text):
        return Decimal(text)
    raise UnreadableError(text)


def whole_number(value: Scalar) -> int | None:
    """A whole number, also when it is spelled 10.0; None when blank."""
    number = exact_number(value)
    if number is None:
        return None
    if number != number.to_integral_value():
        raise UnreadableError(plain(number))
    return int(number)


def unix_seconds(value: Scalar) -> int | None:
    """A date or a time with its zone as unix seconds, None when blank.

    A date means the whole day in UTC, so it becomes that day's last second. Fractions of a second
    are cut: Salesforce keeps none.
    """
    if is_blank(value):
        return None
    text = str(value).strip()
    try:
        if _DATE.fullmatch(text):
            last_second = datetime.combine(date.fromisoformat(text), time(23, 59, 59), UTC)
            return int(last_second.timestamp())
        if _DATETIME.fullmatch(text):
            return int(datetime.fromisoformat(text).replace(microsecond=0).timestamp())
    except ValueError:
        raise UnreadableError(text) from None
    raise UnreadableError(text)


def text_form(value: Scalar) -> str | None:
    """The one text that stands for a value: in metadata, and where texts are compared.

    Booleans are `true` and `false`, numbers plain decimals without trailing zeros, times ISO 8601
    in UTC (Salesforce writes `2026-01-31T09:00:00.000+0000`); null is no text at all.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, str) and _DATETIME.fullmatch(value):
        try:
            return iso(datetime.fromisoformat(value))
        except ValueError:
            return value
    return None if value is None or value == "" else str(value)


def iso(moment: datetime) -> str:
    """A moment in UTC, as ISO 8601 with `Z`; fractions of a second only where there are any."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
