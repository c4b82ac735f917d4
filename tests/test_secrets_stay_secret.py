"""Secrets are looked for wherever something is left: files, output, errors and their frames."""

import base64
import json
import logging
import shutil
import sqlite3
import string
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from urllib.parse import quote

import dagster as dg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from coupon_pipeline.automation.jobs import SYNC_JOB
from coupon_pipeline.cli import main
from coupon_pipeline.definitions import definitions
from coupon_pipeline.salesforce import (
    AccessToken,
    ClientCredentials,
    Login,
    Pacing,
    PasswordLogin,
    SalesforceEdge,
    SalesforceError,
    Timeouts,
)
from coupon_pipeline.sandbox.faults import FaultRule
from coupon_pipeline.settings import Settings, SettingsError, load_settings
from coupon_pipeline.stripe_api import Retries, StripeEdge, StripeEdgeError
from tests.salesforce.scripted import Reply, Request, ScriptedServer, scripted_server
from tests.world import World

LETTERS = st.text(string.ascii_letters + string.digits, min_size=16, max_size=40)
TOKENS = st.text(string.ascii_letters + string.digits + "!._-$", min_size=16, max_size=60)


def everything_told(error: BaseException) -> str:
    """All that an error shows: itself, all that it came from, and every variable of every frame."""
    seen: dict[int, BaseException] = {}
    waiting: list[BaseException] = [error]
    while waiting:
        one = waiting.pop()
        if id(one) not in seen:
            seen[id(one)] = one
            waiting += [each for each in (one.__cause__, one.__context__) if each is not None]
    texts: list[str] = []
    for one in seen.values():
        told = traceback.TracebackException.from_exception(one, capture_locals=True)
        ours = [
            f"{name}={value}"
            for frame in told.stack
            if "/tests/" not in frame.filename
            for name, value in (frame.locals or {}).items()
        ]
        texts += [repr(one), str(one), repr(one.args), repr(vars(one)), *ours]
    return "\n".join(texts)


def forms(secret: str) -> list[str]:
    """The ways in which a secret is written."""
    return [
        secret,
        quote(secret, safe=""),
        base64.b64encode(secret.encode()).decode(),
        base64.b64encode(f"{secret}:".encode()).decode(),
        json.dumps(secret)[1:-1],
    ]


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    """A server whose answers a test decides."""
    with scripted_server() as opened:
        yield opened


def repeating(status: int, code: str) -> Callable[[Request], Reply]:
    """A server that puts everything it was sent into its refusal."""

    def answer(request: Request) -> Reply:
        said = f"{code}: {dict(request.headers)} {request.body} {request.path}"
        return Reply(status, [{"errorCode": code, "message": said}])

    return answer


ANSWERS: tuple[Callable[[Request], Reply], ...] = (
    repeating(401, "INVALID_SESSION_ID"),
    repeating(403, "REQUEST_LIMIT_EXCEEDED"),
    repeating(400, "INVALID_FIELD"),
    repeating(500, "UNKNOWN_EXCEPTION"),
    lambda _: Reply(302, "", {"Location": "http://127.0.0.1:9/elsewhere"}),
    lambda _: Reply(200, "<html>no org</html>"),
    lambda _: Reply(cut=True),
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    secret=TOKENS,
    answer=st.sampled_from(ANSWERS),
    login=st.sampled_from(("token", "client", "password")),
)
def test_no_error_of_salesforce_shows_what_opens_the_org(
    server: ScriptedServer, secret: str, answer: Callable[[Request], Reply], login: str
) -> None:
    """Not even when the server repeats it."""
    server.answer = answer
    ways: dict[str, Login] = {
        "token": AccessToken(secret),
        "client": ClientCredentials("the-consumer-key", secret),
        "password": PasswordLogin("somebody@acme.example", secret, ""),
    }
    edge = SalesforceEdge(
        server.url,
        ways[login],
        namespace="",
        api_version="67.0",
        timeouts=Timeouts(connect=2.0, read=5.0),
        pacing=Pacing(attempts=1),
    )
    with closing(edge), pytest.raises(SalesforceError) as refused:
        edge.read_org()

    told = everything_told(refused.value) + repr(ways[login]) + repr(edge)
    assert [form for form in forms(secret) if form in told] == []


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    secret=LETTERS.map(lambda text: f"sk_test_{text}"),
    answer=st.sampled_from(ANSWERS),
)
def test_no_error_of_stripe_shows_the_key(
    server: ScriptedServer, secret: str, answer: Callable[[Request], Reply]
) -> None:
    """Not even when the server repeats it."""

    def in_stripes_shape(request: Request) -> Reply:
        said = answer(request)
        if isinstance(said.body, list):
            return Reply(said.status, {"error": said.body[0]}, said.headers)
        return said

    server.answer = in_stripes_shape
    edge = StripeEdge(SecretStr(secret), base_url=server.url, retries=Retries(attempts=1))
    with closing(edge), pytest.raises(StripeEdgeError) as refused:
        next(edge.list_coupons())

    told = everything_told(refused.value) + repr(edge)
    assert [form for form in forms(secret) if form in told] == []


WRONG: tuple[dict[str, str], ...] = (
    {"STRIPE_API_BASE": "http://api.stripe.com"},
    {"STRIPE_API_BASE": "https://elsewhere.example"},
    {"SALESFORCE_API_VERSION": "latest"},
    {"COUPON_PIPELINE_LIVE": "perhaps"},
    {"SALESFORCE_CONSUMER_KEY": "k", "SALESFORCE_CONSUMER_SECRET": "s"},
    {"STRIPE_API_KEY_FILE": "also"},
    {"SALESFORCE_INSTANCE_URL": "acme"},
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    key=LETTERS,
    token=TOKENS,
    wrong=st.sampled_from(WRONG),
    prefix=st.sampled_from(("sk_test_", "sk_live_", "pk_", "")),
)
def test_no_error_of_the_settings_shows_a_secret(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    key: str,
    token: str,
    wrong: dict[str, str],
    prefix: str,
) -> None:
    """They are what people paste into a ticket."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    given_variables = {
        "SALESFORCE_INSTANCE_URL": "https://acme.my.salesforce.com",
        "SALESFORCE_ACCESS_TOKEN": token,
        "STRIPE_API_KEY": prefix + key,
        **wrong,
    }
    for name, value in given_variables.items():
        monkeypatch.setenv(name, value)
    shown: list[str] = []

    with pytest.raises(SettingsError) as refused:
        _open_both(shown)
    for name in given_variables:
        monkeypatch.delenv(name)

    told = everything_told(refused.value) + "".join(shown)
    assert [secret for secret in (key, token) if secret in told] == []


def _open_both(shown: list[str]) -> None:
    """Read the settings and open both accounts, keeping what the settings show of themselves."""
    read = load_settings()
    shown.append(repr(read) + str(read.model_dump()))
    read.salesforce()
    read.stripe()


@pytest.fixture
def noted(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Every logger, down to what libraries say to themselves."""
    with caplog.at_level(logging.DEBUG):
        yield caplog


def test_nothing_that_a_run_leaves_holds_a_secret(
    world: World,
    tmp_path: Path,
    noted: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ledger, Dagster's own storage with logs and metadata, plans, output, logs at every level.

    One run succeeds, one fails with a key that Stripe does not know, a plan fails at Salesforce.
    """
    coupon, bad = world.quote_coupon(Name__c="Launch"), world.bad_quote_coupon()
    world.order(coupons=[coupon, bad], lines=[[coupon]])
    day = world.sandbox.clock.now().date().isoformat()
    home = tmp_path / "dagster"
    home.mkdir()
    unknown_key = "sk_test_51ThisKeyIsNotKnownToStripe"
    secrets = (
        world.sandbox.addresses.stripe_api_key,
        world.sandbox.addresses.salesforce_access_token,
        unknown_key,
    )
    commands: list[tuple[str, ...]] = [("plan", "--json"), ("doctor",), ("problems",)]
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        for key in secrets[:1] + secrets[2:]:
            monkeypatch.setenv("STRIPE_API_KEY", key)
            definitions().resolve_job_def(SYNC_JOB).execute_in_process(
                instance=instance,
                raise_on_error=False,
                tags={
                    "dagster/asset_partition_range_start": day,
                    "dagster/asset_partition_range_end": day,
                },
            )
    for command in commands:
        monkeypatch.setattr(sys, "argv", ["coupon-pipeline", *command])
        with pytest.raises(SystemExit):
            main()
    rule = FaultRule(service="salesforce", kind="session_expired", times=None)
    world.sandbox.run_on_loop(partial(world.sandbox.faults.arm, rule))
    monkeypatch.setattr(sys, "argv", ["coupon-pipeline", "plan"])
    with pytest.raises(SystemExit):
        main()
    shown = capfd.readouterr()
    output = shown.out + shown.err + noted.text

    found = [
        (file.name, secret[:8])
        for file in tmp_path.rglob("*")
        if file.is_file()
        for secret in secrets
        for form in forms(secret)
        if form.encode() in file.read_bytes()
    ]
    assert found == []
    assert [secret[:8] for secret in secrets for form in forms(secret) if form in output] == []
    assert _texts_of_sqlite(home)
    assert not any(secret in _texts_of_sqlite(home) for secret in secrets)
    shutil.rmtree(home)


def _texts_of_sqlite(folder: Path) -> str:
    """Everything in Dagster's databases, as text."""
    texts: list[str] = []
    for file in folder.rglob("*.db"):
        with closing(sqlite3.connect(file)) as connection:
            texts += list(connection.iterdump())
    return "\n".join(texts)
