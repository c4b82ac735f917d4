"""Who is told when runs fail, and how to reach them. Nobody unless something is set."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode


def _addresses(value: object) -> object:
    """`"a@acme.example, b@acme.example"` becomes two."""
    if isinstance(value, str):
        return tuple(each.strip() for each in value.split(",") if each.strip())
    return value


class AlertSettings(BaseSettings):
    """The part of the settings that is about alerts."""

    coupon_pipeline_alert_slack_url: SecretStr | None = None
    """An incoming webhook; whoever has the address can post."""
    coupon_pipeline_alert_slack_url_file: Path | None = None
    coupon_pipeline_alert_slack_url_command: SecretStr | None = None
    coupon_pipeline_alert_webhook_url: SecretStr | None = None
    coupon_pipeline_alert_webhook_url_file: Path | None = None
    coupon_pipeline_alert_webhook_url_command: SecretStr | None = None
    coupon_pipeline_alert_email_to: Annotated[
        tuple[str, ...], NoDecode, BeforeValidator(_addresses)
    ] = ()
    coupon_pipeline_alert_email_from: str | None = None
    coupon_pipeline_smtp_host: str | None = None
    coupon_pipeline_smtp_port: int = Field(default=587, ge=1, le=65535)
    coupon_pipeline_smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    """`none` is accepted for this machine only."""
    coupon_pipeline_smtp_username: str | None = None
    coupon_pipeline_smtp_password: SecretStr | None = None
    coupon_pipeline_smtp_password_file: Path | None = None
    coupon_pipeline_smtp_password_command: SecretStr | None = None
    coupon_pipeline_dagster_url: str | None = None
    """Where people open Dagster's pages; then alerts link to the run."""

    def names_secret(self, name: str) -> bool:
        """Whether one of the three variables of a secret is set, without reading it."""
        fields: Mapping[str, object] = dict(self)
        return any(fields[name + way] is not None for way in ("", "_file", "_command"))
