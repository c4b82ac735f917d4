"""Settings: the environment becomes typed values, or a sentence that names the variable."""

import json
from pathlib import Path

import pytest

from coupon_pipeline.salesforce.logins import AccessToken, ClientCredentials, JwtLogin
from coupon_pipeline.settings import (
    SANDBOX_ADDRESSES,
    Settings,
    SettingsError,
    load_settings,
)

SECRET = "tok-super-secret"


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each test starts in an empty folder with none of our variables."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def _set(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def _real_accounts(monkeypatch: pytest.MonkeyPatch, **more: str) -> None:
    _set(
        monkeypatch,
        SALESFORCE_INSTANCE_URL="https://acme.my.salesforce.com",
        SALESFORCE_ACCESS_TOKEN=SECRET,
        STRIPE_API_KEY="sk_test_abc",
        **more,
    )


def _both_accounts() -> None:
    settings = load_settings()
    settings.salesforce()
    settings.stripe()


def test_a_complete_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables are the public interface, so their names are spelled out here."""
    _real_accounts(monkeypatch, SALESFORCE_NAMESPACE="QaStripeConnect", STRIPE_ACCOUNT="acct_1")

    settings = load_settings()

    assert settings.salesforce().namespace == "QaStripeConnect"
    assert settings.salesforce().login == AccessToken(SECRET)
    assert settings.stripe().account == "acct_1"
    assert not settings.stripe().live


def test_an_empty_namespace_means_an_unmanaged_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty is a value here, unlike for every other variable."""
    _real_accounts(monkeypatch, SALESFORCE_NAMESPACE="")

    assert load_settings().salesforce().namespace == ""


def test_a_dotenv_file_is_read(tmp_path: Path) -> None:
    """People keep their accounts in `.env`."""
    (tmp_path / ".env").write_text("STRIPE_API_KEY=sk_test_from_file\n")

    key = load_settings().stripe().api_key

    assert key.get_secret_value() == "sk_test_from_file"


def test_each_way_to_log_in_is_its_own_type(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing guesses among logins at run time."""
    _set(monkeypatch, SALESFORCE_INSTANCE_URL="https://acme.my.salesforce.com")
    _set(monkeypatch, SALESFORCE_CONSUMER_KEY="key", SALESFORCE_CONSUMER_SECRET="secret")
    assert isinstance(load_settings().salesforce().login, ClientCredentials)

    monkeypatch.delenv("SALESFORCE_CONSUMER_SECRET")
    key_file = tmp_path / "server.key"
    key_file.write_text("pem")
    _set(monkeypatch, SALESFORCE_USERNAME="ops@acme.com", SALESFORCE_PRIVATE_KEY_FILE=str(key_file))
    assert isinstance(load_settings().salesforce().login, JwtLogin)


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"SALESFORCE_INSTANCE_URL": ""}, "SALESFORCE_INSTANCE_URL"),
        ({"SALESFORCE_INSTANCE_URL": "acme.my.salesforce.com"}, "SALESFORCE_INSTANCE_URL"),
        ({"SALESFORCE_INSTANCE_URL": "http://acme.my.salesforce.com"}, "SALESFORCE_INSTANCE_URL"),
        ({"SALESFORCE_ACCESS_TOKEN": ""}, "SALESFORCE_ACCESS_TOKEN"),
        (
            {"SALESFORCE_CONSUMER_KEY": "k", "SALESFORCE_CONSUMER_SECRET": "s"},
            "SALESFORCE_ACCESS_TOKEN",
        ),
        ({"SALESFORCE_API_VERSION": "latest"}, "SALESFORCE_API_VERSION"),
        ({"SALESFORCE_NAMESPACE": "bad-name"}, "SALESFORCE_NAMESPACE"),
        ({"STRIPE_API_KEY": ""}, "STRIPE_API_KEY"),
        ({"STRIPE_API_KEY": "pk_test_publishable"}, "STRIPE_API_KEY"),
        ({"STRIPE_API_KEY": "sk_live_money"}, "COUPON_PIPELINE_LIVE"),
        ({"STRIPE_API_BASE": "http://stripe.example"}, "STRIPE_API_BASE"),
        ({"COUPON_PIPELINE_LIVE": "perhaps"}, "COUPON_PIPELINE_LIVE"),
        ({"COUPON_PIPELINE_SYNC_START_DATE": "soon"}, "COUPON_PIPELINE_SYNC_START_DATE"),
        ({"COUPON_PIPELINE_DEFAULT_CURRENCY": "dollar"}, "COUPON_PIPELINE_DEFAULT_CURRENCY"),
        ({"COUPON_PIPELINE_STACKING_ORDER": "random"}, "COUPON_PIPELINE_STACKING_ORDER"),
    ],
)
def test_a_wrong_or_missing_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], named: str
) -> None:
    """The reader must know which variable to change, and no value may be shown."""
    _real_accounts(monkeypatch)
    _set(monkeypatch, **variables)

    with pytest.raises(SettingsError) as caught:
        _both_accounts()

    assert caught.value.variable == named
    assert caught.value.fix
    assert SECRET not in str(caught.value)
    assert "sk_live_money" not in str(caught.value)


def test_a_live_key_works_when_live_money_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    """Live mode is switched on explicitly, never implied by a key."""
    _real_accounts(monkeypatch, COUPON_PIPELINE_LIVE="true")
    _set(monkeypatch, STRIPE_API_KEY="rk_live_abc")

    assert load_settings().stripe().live


def test_no_secret_is_in_a_representation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Representations end up in logs and tracebacks."""
    _real_accounts(monkeypatch)
    settings = load_settings()

    shown = f"{settings!r} {settings.salesforce()!r} {settings.stripe()!r}"

    assert SECRET not in shown
    assert "sk_test_abc" not in shown


def test_with_nothing_set_the_running_sandbox_is_used() -> None:
    """A newcomer has no accounts."""
    SANDBOX_ADDRESSES.parent.mkdir(parents=True)
    SANDBOX_ADDRESSES.write_text(
        json.dumps(
            {
                "stripe": {"url": "http://127.0.0.1:1", "api_key": "sk_test_s"},
                "salesforce": {
                    "url": "http://127.0.0.1:2",
                    "access_token": "t",
                    "namespace": "stripeConnector",
                },
                "ledger": "sandbox.duckdb",
            }
        )
    )
    settings = load_settings()

    assert settings.uses_local_sandbox
    assert settings.stripe().api_base == "http://127.0.0.1:1"
    assert settings.salesforce().instance_url == "http://127.0.0.1:2"
    assert settings.ledger_path == Path("sandbox.duckdb")


def test_with_nothing_set_and_no_sandbox_the_message_says_how_to_start_one() -> None:
    """Never a connection error from nowhere."""
    with pytest.raises(SettingsError, match="coupon-pipeline sandbox"):
        load_settings().stripe()
