"""A file of connections becomes settings for each, or a refusal that names the connection."""

from pathlib import Path

import pytest

from coupon_pipeline.salesforce.logins import AccessToken
from coupon_pipeline.settings import Settings, SettingsError, load_connections, load_settings

ACME = """
[acme]
salesforce_instance_url = "https://acme.my.salesforce.com"
SALESFORCE_ACCESS_TOKEN = "env:ACME_TOKEN"
stripe_api_key_file = "acme_key"
"""
GLOBEX = """
[globex]
salesforce_instance_url = "https://globex.my.salesforce.com"
salesforce_access_token_command = "printf token-of-globex"
stripe_api_key = "env:GLOBEX_KEY"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No variable is set but the file's, and the secrets are where it says."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("COUPON_PIPELINE_CONNECTIONS", "connections.toml")
    monkeypatch.setenv("ACME_TOKEN", "token-of-acme")
    monkeypatch.setenv("GLOBEX_KEY", "sk_test_globex")
    (tmp_path / "acme_key").write_text("sk_test_acme\n")
    return tmp_path


def _write(text: str) -> None:
    Path("connections.toml").write_text(text)


def _refused(text: str) -> SettingsError:
    _write(text)
    with pytest.raises(SettingsError) as refused:
        load_connections()
    return refused.value


def test_each_connection_has_its_own_accounts_and_ledger() -> None:
    """A coupon of one company must never reach another's customers."""
    _write(ACME + GLOBEX)

    acme, globex = load_connections()

    assert [acme.connection, globex.connection] == ["acme", "globex"]
    assert acme.salesforce().login == AccessToken("token-of-acme")
    assert globex.salesforce().login == AccessToken("token-of-globex")
    assert acme.stripe().api_key.get_secret_value() == "sk_test_acme"
    assert globex.stripe().api_key.get_secret_value() == "sk_test_globex"
    assert [acme.ledger_path, globex.ledger_path] == [Path("acme.duckdb"), Path("globex.duckdb")]


def test_variables_of_the_environment_do_not_reach_a_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was meant for one company would hold for all, live money included."""
    monkeypatch.setenv("COUPON_PIPELINE_LIVE", "true")
    monkeypatch.setenv("COUPON_PIPELINE_DB", "one.duckdb")
    monkeypatch.setenv("STRIPE_ACCOUNT", "acct_other")
    Path(".env").write_text("COUPON_PIPELINE_DEFAULT_CURRENCY=CHF\n")
    _write(ACME)

    (acme,) = load_connections()

    assert acme.coupon_pipeline_live == "false"
    assert acme.ledger_path == Path("acme.duckdb")
    assert acme.stripe().account is None
    assert acme.coupon_pipeline_default_currency is None


def test_defaults_hold_where_a_connection_says_nothing() -> None:
    """So that one line turns the automation of all of them on."""
    _write(
        '[defaults]\ncoupon_pipeline_automation = "changes"\ncoupon_pipeline_poll_seconds = 60\n'
        + ACME
        + "coupon_pipeline_poll_seconds = 30\n"
        + GLOBEX
    )

    acme, globex = load_connections()

    assert acme.coupon_pipeline_automation == globex.coupon_pipeline_automation == ("changes",)
    assert acme.coupon_pipeline_poll_seconds == 30
    assert globex.coupon_pipeline_poll_seconds == 60


def test_secrets_are_fetched_when_the_account_is_used_and_shown_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The graph must open on a machine that has none of them."""
    monkeypatch.delenv("ACME_TOKEN")
    _write(ACME)

    (acme,) = load_connections()

    assert "sk_test_acme" not in repr(acme)
    with pytest.raises(SettingsError, match=r"\[acme\] SALESFORCE_ACCESS_TOKEN refers to env:ACME"):
        acme.salesforce()


@pytest.mark.parametrize(
    ("text", "named", "says"),
    [
        ("[acme", "COUPON_PIPELINE_CONNECTIONS", "cannot be read"),
        ("", "COUPON_PIPELINE_CONNECTIONS", "no connection"),
        ('acme = "x"', "[acme]", "not a table"),
        ("[Acme]", "[Acme]", "no name"),
        (ACME + 'stripe_key = "env:X"', "[acme] STRIPE_KEY", "Did you mean STRIPE_API_KEY?"),
        ('[acme]\nstripe_api_key = "sk_test_x"', "[acme] STRIPE_API_KEY", "is a secret"),
        (ACME + "coupon_pipeline_poll_seconds = 1", "[acme] COUPON_PIPELINE_POLL_SECONDS", "10"),
        ("[defaults]\ncoupon_pipeline_live = true" + ACME, "[defaults]", "each connection"),
        (ACME + GLOBEX + 'coupon_pipeline_db = "acme.duckdb"', "[globex]", "ledger of [acme]"),
        (ACME + 'coupon_pipeline_connections = "x"', "[acme]", "not a setting"),
    ],
)
def test_a_refusal_names_the_connection_and_the_setting(text: str, named: str, says: str) -> None:
    """Among several files and companies, a bare name of a variable helps nobody."""
    refused = _refused(text)

    assert named in refused.variable
    assert says in str(refused)


def test_what_an_account_lacks_is_said_with_the_name_of_its_connection() -> None:
    """The same rules hold as for variables, and the same sentences."""
    _write('[acme]\nstripe_api_key = "env:GLOBEX_KEY"')

    (acme,) = load_connections()

    with pytest.raises(SettingsError, match=r"^\[acme\] SALESFORCE_INSTANCE_URL is not set\."):
        acme.salesforce()


def test_a_command_is_about_the_connection_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """And refuses to guess which company is meant."""
    _write(ACME + GLOBEX)
    with pytest.raises(SettingsError, match="acme, globex"):
        load_settings()
    monkeypatch.setenv("COUPON_PIPELINE_CONNECTION", "globex")
    assert load_settings().connection == "globex"
    monkeypatch.setenv("COUPON_PIPELINE_CONNECTION", "initech")
    with pytest.raises(SettingsError, match="initech"):
        load_settings()


def test_the_only_connection_need_not_be_named() -> None:
    """There is nothing to confuse."""
    _write(ACME)

    assert load_settings().connection == "acme"


def test_a_connection_is_refused_where_there_is_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody believes to work on one company, and would work on what the environment names."""
    monkeypatch.delenv("COUPON_PIPELINE_CONNECTIONS")
    monkeypatch.setenv("COUPON_PIPELINE_CONNECTION", "acme")

    with pytest.raises(SettingsError, match="COUPON_PIPELINE_CONNECTIONS"):
        load_settings()
