"""The table of what the sandbox does is complete."""

from pathlib import Path

from coupon_pipeline.sandbox.stripe.contract import parameters
from coupon_pipeline.sandbox.stripe.endpoints import endpoints
from coupon_pipeline.sandbox.switches import SWITCHES

PAGE = Path(__file__).parents[3] / "docs" / "sandbox-stripe.md"


def test_the_page_names_every_endpoint_and_what_it_refuses() -> None:
    """Who reads it has to be able to rely on it."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    for endpoint in endpoints():
        (line,) = [one for one in lines if one.startswith(f"| `{endpoint.method} {endpoint.path}`")]
        refused = set(parameters(endpoint.parameters).fields) - endpoint.takes
        assert all(f"`{name}`" in line for name in (*refused, *endpoint.refuses))


def test_the_page_names_every_switch_with_its_choices() -> None:
    """Also the default, which comes first."""
    text = PAGE.read_text(encoding="utf-8")
    for switch in SWITCHES:
        if switch.name.startswith("stripe_"):
            assert f"| `{switch.name}` | `{switch.default}`" in text
            assert switch.unconfirmed in text
