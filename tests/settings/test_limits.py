"""The limits that the settings name reach the edges."""

import pytest

from coupon_pipeline.assets.resources import open_stripe
from coupon_pipeline.settings import Settings


def _settings(env: pytest.MonkeyPatch, **values: str) -> Settings:
    env.setenv("STRIPE_API_KEY", "sk_test_settings")
    for name, value in values.items():
        env.setenv(name.upper(), value)
    return Settings(_env_file=None)


def test_limits_are_those_that_stripe_documents_less_a_share(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The company's other programs use the same account."""
    limits = open_stripe(_settings(monkeypatch)).limits

    assert (limits.account_per_second, limits.endpoint_per_second) == (25, 25)
    assert limits.rate("account") == 22.5


def test_limits_can_be_set_also_for_a_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """A negotiated limit is known to nobody but the company."""
    settings = _settings(
        monkeypatch,
        stripe_api_base="http://127.0.0.1:9",
        coupon_pipeline_stripe_per_second="200",
        coupon_pipeline_stripe_left_to_others="0.5",
    )

    assert open_stripe(settings).limits.rate("account") == 100


def test_a_stand_in_on_this_machine_has_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests and demos need not wait."""
    settings = _settings(monkeypatch, stripe_api_base="http://127.0.0.1:9")

    assert open_stripe(settings).limits.rate("account") == float("inf")
