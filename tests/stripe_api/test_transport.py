"""The session: nothing but our key opens the account, and nothing carries it elsewhere."""

from pathlib import Path

import pytest
import requests

from coupon_pipeline.stripe_api.transport import STRIPE_API, is_loopback, new_session


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login for Stripe's host in the user's netrc file."""
    file = tmp_path / "netrc"
    file.write_text("machine api.stripe.com login somebody password else\n")
    monkeypatch.setenv("NETRC", str(file))


@pytest.mark.usefixtures("netrc")
def test_a_netrc_entry_does_not_replace_the_key() -> None:
    """Requests prefers such a file to the header, and Stripe would refuse or, worse, accept."""
    session = new_session(STRIPE_API, 4)
    wanted = requests.Request("GET", STRIPE_API, headers={"Authorization": "Bearer ours"})

    prepared = session.prepare_request(wanted)

    assert prepared.headers["Authorization"] == "Bearer ours"


def test_a_proxy_is_used_for_stripe_but_not_for_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Companies reach Stripe through one; it cannot reach the sandbox on this machine."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    def proxies(base_url: str) -> dict[str, str]:
        session = new_session(base_url, 4)
        settings = session.merge_environment_settings(base_url, {}, None, None, None)
        return dict(settings["proxies"])

    assert proxies(STRIPE_API)["https"] == "http://proxy.example:3128"
    assert proxies("http://127.0.0.1:8080") == {}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8080", True),
        ("http://127.8.9.1", True),
        ("http://[::1]:80", True),
        ("http://localhost", True),
        ("http://localhost.example.com", False),
        ("http://10.0.0.1", False),
        ("https://api.stripe.com", False),
    ],
)
def test_this_machine_is_told_from_others(url: str, *, expected: bool) -> None:
    """Plain http and no limits are for this machine only."""
    assert is_loopback(url) is expected
