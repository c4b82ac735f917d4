"""Several pairs of an org and an account in one deployment, or the one of the environment."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import PrivateAttr, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from coupon_pipeline.settings.accounts import SalesforceAccount, StripeAccount
from coupon_pipeline.settings.connections_file import ENVIRONMENT, ConnectionTable, read_tables
from coupon_pipeline.settings.environment import Settings, validated
from coupon_pipeline.settings.errors import SettingsError


class ConnectionSettings(Settings):
    """One of several connections: what its table in the file says, and nothing else."""

    _name: str = PrivateAttr(default="")

    @classmethod
    def of(cls, table: ConnectionTable) -> "ConnectionSettings":
        """Of a table of the file.

        Raises:
            SettingsError: naming the connection and the first setting that is wrong.
        """
        with _naming(table.name):
            values = {"coupon_pipeline_db": f"{table.name}.duckdb", **table.values}
            settings = validated(lambda: cls.model_validate(values))
        settings._name = table.name  # noqa: SLF001 - its own class
        return settings

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        *others: PydanticBaseSettingsSource,
        **more: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """A variable that is meant for one pair must not reach another."""
        del settings_cls, others, more
        return (init_settings,)

    @property
    def connection(self) -> str:
        """Its name."""
        return self._name

    @property
    def uses_local_sandbox(self) -> bool:
        """Never: a table names its accounts."""
        return False

    def salesforce(self) -> SalesforceAccount:
        """The org to read.

        Raises:
            SettingsError: naming the connection.
        """
        with _naming(self._name):
            return super().salesforce()

    def stripe(self) -> StripeAccount:
        """The account to write to.

        Raises:
            SettingsError: naming the connection.
        """
        with _naming(self._name):
            return super().stripe()

    def secret(self, name: str) -> SecretStr | None:
        """A secret by the name of its field, from wherever the table says.

        Raises:
            SettingsError: it cannot be had, or two keys name it.
        """
        reference = getattr(self, name)
        if not isinstance(reference, SecretStr):
            return super().secret(name)
        variable = reference.get_secret_value().removeprefix(ENVIRONMENT).strip()
        found = os.environ.get(variable, "")
        if not found.strip():
            raise SettingsError(
                name.upper(),
                f"refers to {ENVIRONMENT}{variable}, which is not set.",
                "Set that variable, or name another.",
            )
        return Settings.secret(self.model_copy(update={name: SecretStr(found)}), name)


_SECRETS = frozenset(
    name
    for name, field in Settings.model_fields.items()
    if field.annotation == SecretStr | None and not name.endswith("_command")
)
_OF_THE_DEPLOYMENT = frozenset({"coupon_pipeline_connections", "coupon_pipeline_connection"})


def load_connections() -> tuple[Settings, ...]:
    """All pairs of an org and an account that this deployment holds.

    Raises:
        SettingsError: naming the first setting that does not hold what it should.
    """
    settings = validated(Settings)
    if settings.coupon_pipeline_connections is None:
        return (settings,)
    known = Settings.model_fields.keys() - _OF_THE_DEPLOYMENT
    tables = read_tables(settings.coupon_pipeline_connections, known, _SECRETS)
    found = tuple(ConnectionSettings.of(table) for table in tables)
    ledgers: dict[Path, str] = {}
    for each in found:
        path = each.ledger_path.resolve()
        if path in ledgers:
            raise SettingsError(
                f"[{each.connection}] COUPON_PIPELINE_DB",
                f"is the ledger of [{ledgers[path]}] as well.",
                "Give each connection a file of its own.",
            )
        ledgers[path] = each.connection
    return found


def load_settings() -> Settings:
    """Read the environment once; of several connections the one that it names.

    Raises:
        SettingsError: naming the first variable that does not hold what it should.
    """
    wanted = validated(Settings).coupon_pipeline_connection
    by_name = {each.connection: each for each in load_connections()}
    if wanted is None and len(by_name) == 1:
        return next(iter(by_name.values()))
    if wanted in by_name:
        return by_name[wanted]
    names = ", ".join(name for name in by_name if name is not None)
    raise SettingsError(
        "COUPON_PIPELINE_CONNECTION",
        f"is {wanted or 'not set'}, and the connections are {names or 'not in a file'}.",
        "Name one with --connection or with this variable."
        if names
        else "Set COUPON_PIPELINE_CONNECTIONS to their file, or leave --connection out.",
    )


@contextmanager
def _naming(connection: str) -> Iterator[None]:
    """Say in a refusal which connection it is about."""
    fault = None
    try:
        yield
    except SettingsError as error:
        message = error.message.removeprefix(error.variable).lstrip()
        fault = SettingsError(f"[{connection}] {error.variable}", message, error.fix)
    if fault is not None:
        # not inside: the frames of the other error may hold what was set
        raise fault
