"""Record ids: 15 case-sensitive characters, and 3 more that make them safe to compare in any case.

https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/field_types.htm
"""

import hashlib
import re

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECK = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_FORM = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
_UPPER_BITS = {ord(digit): "1" if digit.isupper() else "0" for digit in _DIGITS}
_PAIRS = [high + low for high in _DIGITS for low in _DIGITS]
_SHORT = 15
_SERIAL_DIGITS = 9


def checksum(short: str) -> str:
    """The three characters that say which of the 15 are upper case."""
    bits = short.translate(_UPPER_BITS)
    # the first character of a group is its lowest bit
    return (
        _CHECK[int(bits[4::-1], 2)] + _CHECK[int(bits[9:4:-1], 2)] + _CHECK[int(bits[14:9:-1], 2)]
    )


def to_18(text: str) -> str | None:
    """The id in its 18-character form, or None if `text` cannot be an id.

    An 18-character id is accepted in any case, as the checksum restores it.
    """
    if not _FORM.fullmatch(text):
        return None
    if len(text) == _SHORT:
        return text + checksum(text)
    if checksum(text[:_SHORT]) == text[_SHORT:]:
        return text
    return _restored(text)


def _restored(text: str) -> str | None:
    suffix = text[_SHORT:].upper()
    if any(char not in _CHECK for char in suffix):
        return None
    bits = "".join(f"{_CHECK.index(char):05b}"[::-1] for char in suffix)
    short = "".join(
        char.upper() if bit == "1" else char.lower()
        for char, bit in zip(text[:_SHORT], bits, strict=True)
    )
    return short + suffix if checksum(short) == suffix else None


class IdMinter:
    """Gives the ids of one org, object by object, always the same ones for a seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._pod = self._drawn("pod")[:2]
        self._next: dict[str, int] = {}

    def _drawn(self, what: str) -> str:
        number = int.from_bytes(hashlib.sha256(f"{self._seed}|{what}".encode()).digest()[:8])
        return _base62(number, 11)

    def mint(self, prefix: str) -> str:
        """The next id with that key prefix, 18 characters."""
        serial = self._next.get(prefix)
        if serial is None:
            digest = hashlib.sha256(f"{self._seed}|{prefix}".encode()).digest()
            serial = int.from_bytes(digest[:4]) % 62**5 + 62**5
        self._next[prefix] = serial + 1
        short = f"{prefix}{self._pod}0{_base62(serial, _SERIAL_DIGITS)}"
        return short + checksum(short)

    def after(self, record_id: str) -> None:
        """Never give an id at or below this one, which was made elsewhere."""
        if record_id[3:6] != f"{self._pod}0":
            return
        serial = 0
        for char in record_id[6:_SHORT]:
            serial = serial * 62 + _DIGITS.index(char)
        prefix = record_id[:3]
        self._next[prefix] = max(self._next.get(prefix, 0), serial + 1)


def _base62(number: int, width: int) -> str:
    text = ""
    while len(text) < width:
        number, pair = divmod(number, 62 * 62)
        text = _PAIRS[pair] + text
    return text[-width:]
