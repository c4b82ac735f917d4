"""Salesforce ids: one spelling for each record.

An id has 15 case-sensitive characters, or 18: the same 15 and three more that say which of them
are capitals, so that the id survives a system that ignores case. Only the long form is kept
(https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/field_types.htm).
"""

import re

SHORT = 15
LONG = 18
_BLOCK = 5
_CHECK_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_SHAPE = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-5]{3})?", re.ASCII)


class InvalidIdError(ValueError):
    """The text is not a Salesforce id, or was mistyped."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{text!r} is not a Salesforce id of 15 or 18 characters.")
        self.text = text


def checksum(short_id: str) -> str:
    """The three characters that turn 15 characters into 18: one for each block of five."""
    blocks = (short_id[start : start + _BLOCK] for start in range(0, SHORT, _BLOCK))
    return "".join(
        _CHECK_CHARACTERS[sum(1 << bit for bit, letter in enumerate(block) if letter.isupper())]
        for block in blocks
    )


def normalise_id(text: str) -> str:
    """The 18-character form of an id; `InvalidIdError` when the text is none.

    An 18-character id whose capitals were lost on the way (all lower or all upper case, as in a
    Stripe coupon id or a spreadsheet) gets them back from its last three characters.
    """
    if not _SHAPE.fullmatch(text):
        raise InvalidIdError(text)
    if len(text) == SHORT:
        return text + checksum(text)
    short, check = text[:SHORT], text[SHORT:].upper()
    if short in (short.lower(), short.upper()):
        short = _with_capitals(short, check)
    if checksum(short) != check:
        raise InvalidIdError(text)
    return short + check


def is_id(text: str) -> bool:
    """Whether the text is a Salesforce id in either form."""
    try:
        normalise_id(text)
    except InvalidIdError:
        return False
    return True


def _with_capitals(short: str, check: str) -> str:
    capitals = [
        bool(_CHECK_CHARACTERS.index(character) >> bit & 1)
        for character in check
        for bit in range(_BLOCK)
    ]
    return "".join(
        letter.upper() if capital else letter.lower()
        for letter, capital in zip(short, capitals, strict=True)
    )
