"""Text to tokens.

https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select_quotedstringescapes.htm
"""

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from coupon_pipeline.sandbox.salesforce.soql.refusals import malformed

TokenKind: TypeAlias = Literal["name", "string", "number", "date", "datetime", "symbol", "end"]

LONGEST_STRING = 4_000

_ESCAPES = {
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "b": "\b",
    "f": "\f",
    '"': '"',
    "'": "'",
    "\\": "\\",
    "N": "\n",
    "R": "\r",
    "T": "\t",
    "B": "\b",
    "F": "\f",
}
_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<datetime>\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:?\d{2}))
  | (?P<date>\d{4}-\d{2}-\d{2}(?![\dT]))
  | (?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w]))
  | (?P<currency>[A-Z]{3}\d+(?:\.\d+)?(?![\w]))
  | (?P<name>[A-Za-z_]\w*)
  | (?P<symbol><=|>=|<>|!=|[=<>(),.:])
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Token:
    """One word, literal or sign, and where it starts.

    A string's `text` is its value; `pattern` keeps which % and _ were escaped, for LIKE.
    """

    kind: TokenKind
    text: str
    position: int
    pattern: str = ""


def tokens_of(text: str) -> list[Token]:
    """All tokens, with one of kind `end` behind the last."""
    tokens: list[Token] = []
    position = 0
    while position < len(text):
        if text[position] == "'":
            token, position = _string(text, position)
            tokens.append(token)
            continue
        match = _TOKEN.match(text, position)
        if match is None:
            raise malformed(f"unexpected token: '{text[position]}'", text, position)
        kind = match.lastgroup
        if kind == "currency":
            raise malformed(
                "currency literals are refused here: their value depends on the org's rates",
                text,
                position,
            )
        if kind in {"datetime", "date", "number", "name", "symbol"}:
            tokens.append(Token(kind, match[0], position))  # type: ignore[arg-type] # mypy does not narrow `lastgroup` by a set
        position = match.end()
    tokens.append(Token("end", "<EOF>", len(text)))
    return tokens


def _string(text: str, start: int) -> tuple[Token, int]:
    value: list[str] = []
    pattern: list[str] = []
    position = start + 1
    while position < len(text):
        char = text[position]
        if char == "'":
            if len(value) > LONGEST_STRING:
                raise malformed("string literal exceeds 4000 characters", text, start)
            return Token("string", "".join(value), start, "".join(pattern)), position + 1
        if char == "\\":
            char, wildcard, position = _escape(text, position)
            value.append(char)
            pattern.append(wildcard)
            continue
        value.append(char)
        pattern.append({"%": ".*", "_": "."}.get(char) or re.escape(char))
        position += 1
    raise malformed("unterminated string literal", text, start)


def _escape(text: str, position: int) -> tuple[str, str, int]:
    sign = text[position + 1 : position + 2]
    if sign in {"%", "_"}:
        return sign, re.escape(sign), position + 2
    if sign in {"u", "U"} and re.fullmatch(r"[0-9A-Fa-f]{4}", text[position + 2 : position + 6]):
        char = chr(int(text[position + 2 : position + 6], 16))
        return char, re.escape(char), position + 6
    if sign not in _ESCAPES:
        raise malformed(f"Illegal character sequence '\\{sign}' in string literal", text, position)
    char = _ESCAPES[sign]
    return char, re.escape(char), position + 2
