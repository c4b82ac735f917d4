"""Environment variables (and a `.env` file) become typed settings, read once.

Every refusal names the variable and says what to do. Secrets are `SecretStr`, so that neither a
representation nor a log nor an error can show them.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, TypeAlias, TypeVar

from pydantic import (
    BeforeValidator,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    NoDecode,
    SettingsConfigDict,
)

from coupon_pipeline.domain.caps import Caps, parse_amounts
from coupon_pipeline.salesforce.logins import (
    AccessToken,
    ClientCredentials,
    JwtLogin,
    Login,
    PasswordLogin,
)
from coupon_pipeline.secret_sources import SecretSource, SecretUnreadableError
from coupon_pipeline.settings.accounts import (
    SALESFORCE_API_VERSION,
    SALESFORCE_HOSTS,
    STRIPE_HOSTS,
    SalesforceAccount,
    StripeAccount,
    check_address,
    sandbox_addresses,
)
from coupon_pipeline.settings.alerts import AlertSettings
from coupon_pipeline.settings.errors import SettingsError

STRIPE_API_BASE = "https://api.stripe.com"
FIRST_POSSIBLE_DAY = date(2020, 1, 1)
"""No order was activated with the connector's coupons before this day."""


def _words(value: object) -> object:
    """`"bhd, kwd"` becomes `("bhd", "kwd")`."""
    if isinstance(value, str):
        return tuple(word.strip().lower() for word in value.split(",") if word.strip())
    return value


Automation: TypeAlias = Literal["schedules", "changes", "mapping"]
AUTOMATIONS: tuple[Automation, ...] = ("schedules", "changes", "mapping")
"""What Dagster can start by itself: the schedules, the change sensor, runs for a new mapping."""


def _kinds_of_automation(value: object) -> object:
    """`true` is all of them and `false` none."""
    words = _words(value)
    return AUTOMATIONS if words == ("true",) else () if words == ("false",) else words


Live: TypeAlias = Literal["false", "true", "with_flag"]


def _live_word(value: object) -> object:
    """The words that people use for yes and no become `true` and `false`."""
    word = str(value).strip().lower()
    words = {"1": "true", "yes": "true", "on": "true", "0": "false", "no": "false", "off": "false"}
    return words.get(word, word)


def _amounts(value: object) -> object:
    return parse_amounts(value) if isinstance(value, str) else value


WriteBack: TypeAlias = Literal["stripe_ids", "order_coupons", "sync_records"]
WRITE_BACKS: tuple[WriteBack, ...] = ("stripe_ids", "order_coupons", "sync_records")
"""What may be written to Salesforce; each can be left out."""


def _kinds_of_write_back(value: object) -> object:
    """`true` is all of them and `false` none."""
    words = _words(value)
    return (
        {("true",): WRITE_BACKS, ("false",): ()}.get(words, words)
        if isinstance(words, tuple)
        else words
    )


class Settings(AlertSettings):
    """Exactly the variables that the README lists; an empty one counts as not set."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True)

    salesforce_instance_url: str | None = None
    salesforce_namespace: str = "stripeConnector"
    salesforce_api_version: str = SALESFORCE_API_VERSION
    salesforce_access_token: SecretStr | None = None
    salesforce_access_token_file: Path | None = None
    salesforce_access_token_command: SecretStr | None = None
    salesforce_username: str | None = None
    salesforce_consumer_key: SecretStr | None = None
    salesforce_consumer_key_file: Path | None = None
    salesforce_consumer_key_command: SecretStr | None = None
    salesforce_consumer_secret: SecretStr | None = None
    salesforce_consumer_secret_file: Path | None = None
    salesforce_consumer_secret_command: SecretStr | None = None
    salesforce_private_key_file: Path | None = None
    salesforce_password: SecretStr | None = None
    salesforce_password_file: Path | None = None
    salesforce_password_command: SecretStr | None = None
    salesforce_security_token: SecretStr | None = None
    salesforce_security_token_file: Path | None = None
    salesforce_security_token_command: SecretStr | None = None
    stripe_api_key: SecretStr | None = None
    stripe_api_key_file: Path | None = None
    stripe_api_key_command: SecretStr | None = None
    stripe_api_base: str = STRIPE_API_BASE
    stripe_account: str | None = None
    coupon_pipeline_connections: Path | None = None
    """A file with several pairs of an org and an account; then only it says what they are."""
    coupon_pipeline_connection: str | None = None
    """The one that a command is about."""
    coupon_pipeline_db: Path | None = None
    coupon_pipeline_mapping: Path | None = None
    coupon_pipeline_live: Annotated[Live, BeforeValidator(_live_word)] = "false"
    """`with_flag` allows live keys only where the command or the run says so as well."""
    coupon_pipeline_max_coupons: int | None = Field(default=None, ge=0)
    coupon_pipeline_max_attachments: int | None = Field(default=None, ge=0)
    coupon_pipeline_max_percent: Decimal | None = Field(default=None, gt=0, le=100)
    coupon_pipeline_max_amount: Annotated[
        Mapping[str, int], NoDecode, BeforeValidator(_amounts)
    ] = Field(default_factory=dict)
    """By currency, in minor units; written in major units, such as `usd=1000,eur=900`."""
    coupon_pipeline_max_growth: Decimal | None = Field(default=None, gt=0)
    coupon_pipeline_default_currency: str | None = Field(default=None, pattern=r"^[A-Za-z]{3}$")
    coupon_pipeline_sync_start_date: date | None = None
    coupon_pipeline_write_back: Annotated[
        tuple[WriteBack, ...], NoDecode, BeforeValidator(_kinds_of_write_back)
    ] = WRITE_BACKS
    coupon_pipeline_metadata_prefix: str = Field(default="salesforce_", max_length=20)
    coupon_pipeline_stacking_order: Literal["association", "percent_first", "amount_first"] = (
        "association"
    )
    coupon_pipeline_uncertain_terms: Literal["use", "block"] = "use"
    coupon_pipeline_apply_late: bool = False
    coupon_pipeline_customer_discount: Literal["keep", "replace"] = "keep"
    coupon_pipeline_read_events: bool = False
    """Whether a run that wrote to targets looks for changes of others that it undid unknowingly."""
    coupon_pipeline_extra_currencies: Annotated[
        tuple[str, ...], NoDecode, BeforeValidator(_words)
    ] = ()

    coupon_pipeline_stripe_per_second: float | None = Field(default=None, gt=0)
    """Requests a second that the account allows; what is documented for the key unless set."""
    coupon_pipeline_stripe_endpoint_per_second: float = Field(default=25.0, gt=0)
    coupon_pipeline_stripe_left_to_others: float = Field(default=0.1, ge=0, lt=1)
    """The share of Stripe's limits that the company's own traffic keeps."""
    coupon_pipeline_salesforce_quota_share: Decimal = Field(default=Decimal("0.9"), gt=0, le=1)
    """No request is sent once this share of the org's daily requests is used, by whomever."""

    coupon_pipeline_automation: Annotated[
        tuple[Automation, ...], NoDecode, BeforeValidator(_kinds_of_automation)
    ] = ()
    coupon_pipeline_poll_seconds: int = Field(default=90, ge=10)
    coupon_pipeline_plan_max_age_hours: Decimal = Field(default=Decimal(24), gt=0)
    """How old a plan may be when it is applied."""
    coupon_pipeline_blocked_days: int = Field(default=7, ge=0)
    coupon_pipeline_fresh_hours: int | None = Field(default=None, ge=1)
    """A table that was not made for so long is overdue; see `fresh_hours`."""

    @model_validator(mode="before")
    @classmethod
    def _without_empty_ones(cls, values: dict[str, object]) -> dict[str, object]:
        """An empty namespace is a value: the package is not managed."""
        return {
            name: value
            for name, value in values.items()
            if value != "" or name == "salesforce_namespace"
        }

    @field_validator("salesforce_api_version")
    @classmethod
    def _has_a_version(cls, value: str) -> str:
        if not re.fullmatch(r"\d{2}\.0", value):
            raise ValueError('must look like "67.0"')
        return value

    @field_validator("salesforce_namespace")
    @classmethod
    def _is_a_namespace(cls, value: str) -> str:
        if not re.fullmatch(r"\w{0,15}", value):
            raise ValueError("must be a namespace prefix without underscores at its end, or empty")
        return value

    _secrets: dict[str, SecretStr | None] = PrivateAttr(default_factory=dict)
    """Secrets that were needed, so that a command is run once."""

    def secret(self, name: str) -> SecretStr | None:
        """A secret by the name of its field, from wherever the settings say.

        Raises:
            SettingsError: it cannot be had, or two variables name it.
        """
        if name not in self._secrets:
            command: SecretStr | None = getattr(self, f"{name}_command")
            source = SecretSource(
                name.upper(),
                getattr(self, name),
                getattr(self, f"{name}_file"),
                None if command is None else command.get_secret_value(),
            )
            try:
                self._secrets[name] = source.read()
            except SecretUnreadableError as error:
                fault = SettingsError(error.variable, error.message, error.fix)
            else:
                return self._secrets[name]
            raise fault
        return self._secrets[name]

    @property
    def connection(self) -> str | None:
        """The name of the pair among several; None where the environment names the only one."""
        return None

    @property
    def uses_local_sandbox(self) -> bool:
        """Whether no Salesforce and no Stripe variable is set at all."""
        named = self.model_fields_set & {
            name for name in type(self).model_fields if name.startswith(("salesforce_", "stripe_"))
        }
        return not named

    @property
    def ledger_path(self) -> Path:
        """The ledger's file; the local sandbox has its own unless one is named."""
        if self.coupon_pipeline_db is not None:
            return self.coupon_pipeline_db
        if self.uses_local_sandbox:
            return sandbox_addresses().ledger
        return Path("coupon_pipeline.duckdb")

    @property
    def first_day(self) -> date:
        """The first activation day that is looked at."""
        return self.coupon_pipeline_sync_start_date or FIRST_POSSIBLE_DAY

    def caps(self) -> Caps:
        """The most that one run may do."""
        return Caps(
            coupons=self.coupon_pipeline_max_coupons,
            attachments=self.coupon_pipeline_max_attachments,
            percent=self.coupon_pipeline_max_percent,
            amount=self.coupon_pipeline_max_amount,
            growth=self.coupon_pipeline_max_growth,
        )

    @property
    def fresh_hours(self) -> int | None:
        """After how many hours a table is overdue; None where nothing says how often it is made.

        The hourly schedule makes every table, so six hours without one are six that failed.
        """
        if self.coupon_pipeline_fresh_hours is not None:
            return self.coupon_pipeline_fresh_hours
        return 6 if "schedules" in self.coupon_pipeline_automation else None

    def salesforce(self) -> SalesforceAccount:
        """The org to read.

        Raises:
            SettingsError: a variable is missing, wrong, or two ways to log in are mixed.
        """
        if self.uses_local_sandbox:
            return sandbox_addresses().salesforce
        url = self.salesforce_instance_url
        if url is None:
            raise SettingsError(
                "SALESFORCE_INSTANCE_URL",
                "is not set.",
                "Set it to the org's My Domain address, such as https://acme.my.salesforce.com.",
            )
        check_address("SALESFORCE_INSTANCE_URL", url, SALESFORCE_HOSTS)
        return SalesforceAccount(
            instance_url=url.rstrip("/"),
            login=self._login(),
            namespace=self.salesforce_namespace,
            api_version=self.salesforce_api_version,
        )

    def stripe(self) -> StripeAccount:
        """The account to write to.

        Raises:
            SettingsError: a variable is missing or wrong, or a live key is not allowed.
        """
        if self.uses_local_sandbox:
            return sandbox_addresses().stripe
        api_key = self.secret("stripe_api_key")
        if api_key is None:
            raise SettingsError(
                "STRIPE_API_KEY",
                "is not set.",
                "Set it to a secret or restricted key of the account, from the Stripe dashboard.",
            )
        mode = re.match(r"(?:sk|rk)_(test|live)_", api_key.get_secret_value())
        if mode is None:
            raise SettingsError(
                "STRIPE_API_KEY",
                "is not a secret or restricted key of one account.",
                "It must begin with sk_test_, rk_test_, sk_live_ or rk_live_.",
            )
        live = mode.group(1) == "live"
        if live and self.coupon_pipeline_live == "false":
            raise SettingsError(
                "COUPON_PIPELINE_LIVE",
                "is not true, and STRIPE_API_KEY is a live key: real customers would be charged.",
                "Use a test key, or set COUPON_PIPELINE_LIVE=true when live money is meant; "
                "with_flag asks for the flag --live as well.",
            )
        check_address("STRIPE_API_BASE", self.stripe_api_base, STRIPE_HOSTS)
        return StripeAccount(
            api_key=api_key,
            api_base=self.stripe_api_base.rstrip("/"),
            account=self.stripe_account,
            live=live,
        )

    def _login(self) -> Login:
        username, key = self.salesforce_username, self.secret("salesforce_consumer_key")
        access_token = self.secret("salesforce_access_token")
        consumer_secret = self.secret("salesforce_consumer_secret")
        password = self.secret("salesforce_password")
        security_token = self.secret("salesforce_security_token")
        ways: list[Login] = []
        if access_token is not None:
            ways.append(AccessToken(access_token.get_secret_value()))
        if username and key and self.salesforce_private_key_file:
            if not self.salesforce_private_key_file.is_file():
                raise SettingsError(
                    "SALESFORCE_PRIVATE_KEY_FILE",
                    f"names {self.salesforce_private_key_file}, which is not a file.",
                    "Give the path of the PEM file whose certificate the connected app holds.",
                )
            ways.append(
                JwtLogin(username, key.get_secret_value(), self.salesforce_private_key_file)
            )
        if key and consumer_secret:
            ways.append(
                ClientCredentials(key.get_secret_value(), consumer_secret.get_secret_value())
            )
        if username and password and security_token is not None:
            ways.append(
                PasswordLogin(
                    username, password.get_secret_value(), security_token.get_secret_value()
                )
            )
        if len(ways) == 1:
            return ways[0]
        found = ", ".join(type(way).__name__ for way in ways) or "none that is complete"
        raise SettingsError(
            "SALESFORCE_ACCESS_TOKEN",
            f"is one of four ways to log in, and exactly one must be given; found: {found}.",
            "Set SALESFORCE_ACCESS_TOKEN; or SALESFORCE_USERNAME, SALESFORCE_CONSUMER_KEY and "
            "SALESFORCE_PRIVATE_KEY_FILE; or SALESFORCE_CONSUMER_KEY and "
            "SALESFORCE_CONSUMER_SECRET; or SALESFORCE_USERNAME, SALESFORCE_PASSWORD and "
            "SALESFORCE_SECURITY_TOKEN.",
        )


Loaded = TypeVar("Loaded", bound=Settings)


def validated(load: Callable[[], Loaded]) -> Loaded:
    """What `load` makes, or the refusal that names the first variable that is wrong.

    Raises:
        SettingsError: that refusal.
    """
    try:
        return load()
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        variable = str(first["loc"][0]).upper()
        reason = str(first["msg"]).removeprefix("Value error, ")
    # not inside: the frames of the other error hold all that was set
    raise SettingsError(
        variable, f"is not valid: {reason}.", "Correct it, or unset it for its default."
    )
