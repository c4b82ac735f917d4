"""The file that names several pairs of an org and an account, and how it refers to secrets.

TOML. Each table is a connection and its name; `[defaults]` holds for all of them. Keys are the
names of the variables, in either case. A secret never stands in the file: it is in a file or comes
from a command, as the variables have it, or `env:NAME` names the variable that holds it.
"""

import difflib
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from coupon_pipeline.settings.errors import SettingsError

VARIABLE = "COUPON_PIPELINE_CONNECTIONS"
DEFAULTS = "defaults"
ENVIRONMENT = "env:"
"""Before the name of the variable that holds a secret."""
NOT_FOR_ALL = frozenset({"coupon_pipeline_db", "coupon_pipeline_live"})
"""One ledger belongs to one pair, and live money is switched on for one pair at a time."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,29}")


@dataclass(frozen=True, slots=True)
class ConnectionTable:
    """One connection as the file has it: settings by their name in lower case."""

    name: str
    values: Mapping[str, object]


def read_tables(
    path: Path, known: Collection[str], secrets: Collection[str]
) -> list[ConnectionTable]:
    """The connections of the file, in its order.

    Args:
        path: the file.
        known: names of all settings.
        secrets: those of them that must be references.

    Raises:
        SettingsError: naming the file, or the connection and its setting.
    """
    document = _parse(path)
    shared = _values(DEFAULTS, document.pop(DEFAULTS, {}), known, secrets)
    for name in sorted(NOT_FOR_ALL & shared.keys()):
        raise SettingsError(
            f"[{DEFAULTS}] {name.upper()}",
            "cannot hold for all connections.",
            "Write it into the table of each connection that it is meant for.",
        )
    if not document:
        raise SettingsError(
            VARIABLE, f"names {path}, which holds no connection.", "Add a table such as [acme]."
        )
    return [
        ConnectionTable(name, {**shared, **_values(name, table, known, secrets)})
        for name, table in document.items()
    ]


def _parse(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(
            VARIABLE,
            f"names {path}, which cannot be read: {error}.",
            "Give the path of a TOML file in UTF-8, or unset it for a single connection.",
        ) from error


def _values(
    name: str, table: object, known: Collection[str], secrets: Collection[str]
) -> dict[str, object]:
    if not _NAME.fullmatch(name):
        raise SettingsError(
            f"[{name}]",
            "is no name for a connection.",
            "Use up to 30 lower-case letters, digits and underscores, beginning with a letter.",
        )
    if not isinstance(table, dict):
        raise SettingsError(f"[{name}]", "is not a table.", f"Write [{name}] on a line of its own.")
    values = {str(key).lower(): value for key, value in table.items()}
    for key, value in values.items():
        setting = f"[{name}] {key.upper()}"
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            raise SettingsError(
                setting,
                "is not a setting of a connection.",
                f"Did you mean {near[0].upper()}?" if near else "The README lists the settings.",
            )
        if key in secrets and not _is_reference(value):
            raise SettingsError(
                setting,
                "is a secret, and secrets do not stand in this file.",
                f"Write {ENVIRONMENT}NAME, or use {key.upper()}_FILE or {key.upper()}_COMMAND.",
            )
    return values


def _is_reference(value: object) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(rf"{ENVIRONMENT}\s*\w+", value))
