"""Secrets from a file or a command: read when needed, once, and never shown."""

import shlex
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from coupon_pipeline.secret_sources import SecretSource, SecretUnreadableError
from coupon_pipeline.settings import Settings, SettingsError, load_settings

SECRET = "sk_test_fromAFile123"


@pytest.fixture(autouse=True)
def only_an_org(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable but those of the org."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SALESFORCE_INSTANCE_URL", "https://acme.my.salesforce.com")


def printing(text: str, status: int = 0) -> str:
    """A command that prints and ends."""
    program = f"import sys; sys.stdout.write({text!r}); sys.exit({status})"
    return shlex.join([sys.executable, "-c", program])


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_file_gives_the_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, end: str) -> None:
    """Editors put a line end behind it."""
    file = tmp_path / "key"
    file.write_text(SECRET + end, encoding="utf-8")
    monkeypatch.setenv("STRIPE_API_KEY_FILE", str(file))

    assert load_settings().stripe().api_key.get_secret_value() == SECRET


def test_a_command_gives_the_secret_and_is_run_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A password manager asks its user each time."""
    ran = tmp_path / "ran"
    program = f"open({str(ran)!r}, 'a').write('x'); print({SECRET!r})"
    monkeypatch.setenv("STRIPE_API_KEY_COMMAND", shlex.join([sys.executable, "-c", program]))

    settings = load_settings()
    assert not ran.exists()
    settings.stripe()
    assert settings.stripe().api_key.get_secret_value() == SECRET

    assert ran.read_text(encoding="utf-8") == "x"


@pytest.mark.parametrize(
    "name",
    [
        "stripe_api_key",
        "salesforce_access_token",
        "salesforce_consumer_key",
        "salesforce_consumer_secret",
        "salesforce_password",
        "salesforce_security_token",
    ],
)
def test_every_secret_has_all_three_ways(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """So that none has to be in the environment."""
    secrets = {field for field, info in Settings.model_fields.items() if "SecretStr" in str(info)}
    assert {field for field in secrets if not field.endswith("_command")} >= {name}
    (tmp_path / "secret").write_text(SECRET, encoding="utf-8")
    monkeypatch.setenv(f"{name.upper()}_FILE", str(tmp_path / "secret"))

    found = load_settings().secret(name)

    assert found == SecretStr(SECRET)


def test_no_secret_is_left_without_the_three_ways() -> None:
    """A new one must not be forgotten."""
    fields = Settings.model_fields
    plain = [
        name
        for name, info in fields.items()
        if "SecretStr" in str(info.annotation) and not name.endswith("_command")
    ]

    assert [n for n in plain if f"{n}_file" not in fields or f"{n}_command" not in fields] == []


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"STRIPE_API_KEY": SECRET, "STRIPE_API_KEY_FILE": "key"}, "STRIPE_API_KEY"),
        ({"STRIPE_API_KEY_FILE": "missing"}, "STRIPE_API_KEY_FILE"),
        ({"STRIPE_API_KEY_FILE": "."}, "STRIPE_API_KEY_FILE"),
        ({"STRIPE_API_KEY_FILE": "empty"}, "STRIPE_API_KEY_FILE"),
        ({"STRIPE_API_KEY_COMMAND": printing(SECRET, 3)}, "STRIPE_API_KEY_COMMAND"),
        ({"STRIPE_API_KEY_COMMAND": printing("")}, "STRIPE_API_KEY_COMMAND"),
        ({"STRIPE_API_KEY_COMMAND": "/no/such/program"}, "STRIPE_API_KEY_COMMAND"),
        ({"STRIPE_API_KEY_COMMAND": "'"}, "STRIPE_API_KEY_COMMAND"),
    ],
)
def test_what_cannot_be_had_names_its_variable_and_not_the_secret(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variables: dict[str, str], named: str
) -> None:
    """With what to do."""
    (tmp_path / "empty").touch()
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError) as refused:
        load_settings().stripe()

    assert refused.value.variable == named
    assert refused.value.fix
    assert SECRET not in str(refused.value)


def test_a_shell_never_comes_between(tmp_path: Path) -> None:
    """What looks like one is an argument."""
    mark = tmp_path / "mark"
    source = SecretSource("X", None, None, f"{sys.executable} -c 'print(1)' ; touch {mark}")

    assert source.read() == SecretStr("1")
    assert not mark.exists()


def test_the_sandbox_is_not_used_when_only_a_file_is_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Somebody meant an account."""
    monkeypatch.delenv("SALESFORCE_INSTANCE_URL")
    monkeypatch.setenv("STRIPE_API_KEY_FILE", "key")

    assert not load_settings().uses_local_sandbox


def test_a_source_that_is_not_set_gives_nothing() -> None:
    """And is no error: another way to log in may be complete."""
    source = SecretSource("X", None, None, None)

    assert not source.is_set
    assert source.read() is None
    with pytest.raises(SecretUnreadableError):
        SecretSource("X", SecretStr("a"), None, "b").read()
