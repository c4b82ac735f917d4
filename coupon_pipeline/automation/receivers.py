"""Who is told: a mailbox, a Slack channel, a web address. Each message is sent once or refused.

Addresses of webhooks are secrets, so that no error names one.
"""

import smtplib
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from functools import partial

import requests

from coupon_pipeline.automation.alert_messages import Message
from coupon_pipeline.settings import Settings, SettingsError, check_address, is_loopback

_SECONDS = (5.0, 15.0)
"""To connect, and for the answer: a look of a sensor must end before Dagster gives it up."""
_SMTP_SECONDS = 20.0
_ANY_HOST = ("",)


class AlertNotDeliveredError(Exception):
    """A receiver did not take a message. The next look sends it again."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """One way to tell people."""

    name: str
    send: Callable[[Message], str | None]
    """Gives a remark where not everybody was reached. Raises AlertNotDeliveredError where nobody
    was, SettingsError where nobody can be."""


def receivers_of(settings: Settings) -> list[Receiver]:
    """Those that the settings name; reads no secret yet."""
    found = []
    if settings.coupon_pipeline_alert_email_to:
        found.append(Receiver("email", partial(_send_email, settings)))
    if settings.names_secret("coupon_pipeline_alert_slack_url"):
        found.append(Receiver("slack", partial(_post_to_slack, settings)))
    if settings.names_secret("coupon_pipeline_alert_webhook_url"):
        found.append(Receiver("webhook", partial(_post_to_webhook, settings)))
    return found


def _post_to_slack(settings: Settings, message: Message) -> str | None:
    """As an incoming webhook takes it (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks)."""
    text = _for_slack(f"*{message.title}*\n{message.text}")
    return _post(settings, "coupon_pipeline_alert_slack_url", {"text": text})


def _for_slack(text: str) -> str:
    """The three letters that Slack asks to have escaped: nobody is called by our text."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _post_to_webhook(settings: Settings, message: Message) -> str | None:
    return _post(settings, "coupon_pipeline_alert_webhook_url", message.as_json())


def _post(settings: Settings, setting: str, document: Mapping[str, object]) -> str | None:
    secret = settings.secret(setting)
    assert secret is not None, "there is a receiver only where it is set"
    url, variable = secret.get_secret_value(), setting.upper()
    check_address(variable, url, _ANY_HOST)
    try:
        with requests.Session() as http:
            http.trust_env = url.startswith("https:")
            http.auth = _without_credentials
            # the body says nothing, and may be long or slow
            answer = http.post(
                url, json=document, timeout=_SECONDS, allow_redirects=False, stream=True
            )
    except requests.RequestException as error:
        # its text and its frames hold the address
        reason = type(error).__name__
    else:
        if answer.ok and not answer.is_redirect:
            return None
        reason = f"status {answer.status_code}"
    raise AlertNotDeliveredError(
        f"The alert was not taken by the address in {variable} ({reason}). It is sent again."
    )


def _without_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Instead of those of `.netrc`."""
    return request


def _send_email(settings: Settings, message: Message) -> str | None:
    host, sender = settings.coupon_pipeline_smtp_host, settings.coupon_pipeline_alert_email_from
    if host is None or sender is None:
        missing = (
            "COUPON_PIPELINE_SMTP_HOST" if host is None else "COUPON_PIPELINE_ALERT_EMAIL_FROM"
        )
        raise SettingsError(
            missing, "is not set, but COUPON_PIPELINE_ALERT_EMAIL_TO is.", "Set both, or neither."
        )
    if settings.coupon_pipeline_smtp_security == "none" and not is_loopback(host):
        raise SettingsError(
            "COUPON_PIPELINE_SMTP_SECURITY",
            "is none, which would send mail unprotected to another machine.",
            "Use starttls or tls; none is accepted for a server on this machine.",
        )
    mail = EmailMessage()
    mail["Subject"], mail["From"] = message.title, sender
    mail["To"] = ", ".join(settings.coupon_pipeline_alert_email_to)
    mail["Message-ID"] = f"<{message.key}@coupon-pipeline>"
    mail.set_content(message.text)
    try:
        refused = _through_smtp(settings, host, mail)
    except (OSError, smtplib.SMTPException) as error:
        # what a server says may repeat what it was told
        reason = type(error).__name__
    else:
        # the others have it, and must not get it again with every look
        return f"Refused by the mail server: {', '.join(refused)}." if refused else None
    raise AlertNotDeliveredError(
        f"The alert was not taken by COUPON_PIPELINE_SMTP_HOST ({reason}). It is sent again."
    )


def _through_smtp(settings: Settings, host: str, mail: EmailMessage) -> Mapping[str, object]:
    """The recipients that the server refused, while it took others."""
    port, security = settings.coupon_pipeline_smtp_port, settings.coupon_pipeline_smtp_security
    username, password = settings.coupon_pipeline_smtp_username, None
    if username is not None:
        password = settings.secret("coupon_pipeline_smtp_password")
        if password is None:
            raise SettingsError(
                "COUPON_PIPELINE_SMTP_PASSWORD",
                "is not set, but COUPON_PIPELINE_SMTP_USERNAME is.",
                "Set both, or neither where the server asks for none.",
            )
    context = ssl.create_default_context()
    with (
        smtplib.SMTP_SSL(host, port, timeout=_SMTP_SECONDS, context=context)
        if security == "tls"
        else smtplib.SMTP(host, port, timeout=_SMTP_SECONDS)
    ) as smtp:
        if security == "starttls":
            smtp.starttls(context=context)
        if username is not None and password is not None:
            smtp.login(username, password.get_secret_value())
        return smtp.send_message(mail)
