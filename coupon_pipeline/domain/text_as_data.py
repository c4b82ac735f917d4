"""Text from Salesforce and Stripe is data wherever it goes: each place has its own way out of that.

People type coupon names, campaign names and reasons; nothing in them may steer a terminal, become
Markdown or be calculated by a spreadsheet.
"""

import unicodedata

_STEERING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories: control characters, invisible ones that turn text around, separators."""

_MARKUP = frozenset(r"\`*_{}[]<>()#+-!|~&")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a cell begins with that a spreadsheet calculates
(https://owasp.org/www-community/attacks/CSV_Injection)."""


def printable(text: str) -> str:
    """For a terminal: without characters that would steer it; a new line becomes a space."""
    if text.isprintable():  # most texts by far, told in one go
        return text
    return "".join(
        letter
        for letter in " ".join(text.split("\n"))
        if unicodedata.category(letter) not in _STEERING
    )


def markdown_text(text: str | None) -> str:
    """For Markdown: every letter that could be markup is escaped, and it stays on one line."""
    return "".join(
        f"\\{letter}" if letter in _MARKUP else letter for letter in printable(text or "")
    )


def csv_text(text: str | None) -> str:
    """For a spreadsheet: what would be a formula begins with an apostrophe, which makes it text."""
    shown = text or ""
    return f"'{shown}" if shown.lstrip(" ").startswith(_FORMULA) else shown
