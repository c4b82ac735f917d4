"""Where the org is and how to log in."""

from pathlib import Path

import pytest

from coupon_pipeline.salesforce.logins import (
    AccessToken,
    ClientCredentials,
    InstanceUrlError,
    JwtLogin,
    Login,
    PasswordLogin,
    parse_instance,
)


@pytest.mark.parametrize(
    "url",
    [
        "http://acme.my.salesforce.com",
        "http://127.0.0.1.example.com:80",
        "http://10.0.0.1",
        "ftp://acme.my.salesforce.com",
        "acme.my.salesforce.com",
        "",
        "https://user:word@acme.my.salesforce.com",
        "https://acme.my.salesforce.com/services",
    ],
)
def test_an_address_that_could_leak_a_token_is_refused(url: str) -> None:
    """A token sent by plain http can be read by anybody on the way."""
    with pytest.raises(InstanceUrlError) as caught:
        parse_instance(url)

    assert caught.value.code == "salesforce.instance_url"
    assert "SALESFORCE_INSTANCE_URL" in caught.value.fix
    assert "word" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8080", "http://localhost:8080/", "http://[::1]:80", "http://127.9.9.9"],
)
def test_plain_http_is_accepted_for_this_machine(url: str) -> None:
    """The local sandbox has no certificate."""
    assert parse_instance(url).is_plain_loopback


@pytest.mark.parametrize(
    ("url", "domain", "audience"),
    [
        ("https://acme.my.salesforce.com", "acme.my", "login"),
        ("https://acme--dev.sandbox.my.salesforce.com/", "acme--dev.sandbox.my", "test"),
        ("https://ACME.my.salesforce.com", "acme.my", "login"),
    ],
)
def test_a_login_goes_to_the_orgs_own_domain(url: str, domain: str, audience: str) -> None:
    """Client credentials work at a My Domain only, and a sandbox's JWT is for another audience."""
    instance = parse_instance(url)

    assert instance.domain == domain
    assert instance.audience == audience


@pytest.mark.parametrize(
    "login",
    [
        AccessToken("s3cret"),
        JwtLogin("user@acme.test", "s3cret", Path("key.pem")),
        ClientCredentials("s3cret", "s3cret"),
        PasswordLogin("user@acme.test", "s3cret", "s3cret"),
    ],
)
def test_a_login_does_not_show_its_secrets(login: Login) -> None:
    """Representations end in logs, error pages and Dagster's UI."""
    assert "s3cret" not in repr(login)
