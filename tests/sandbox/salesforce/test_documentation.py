"""The table that people read, against what is there."""

from pathlib import Path

from coupon_pipeline.sandbox.switches import SWITCHES

TABLE = (Path(__file__).parents[3] / "docs" / "sandbox-salesforce.md").read_text()


def test_every_switch_of_salesforce_is_in_the_table_with_its_choices() -> None:
    """A switch that nobody can find settles nothing."""
    for switch in SWITCHES:
        if switch.name.startswith("salesforce_"):
            others = [choice for choice in switch.choices if choice != switch.default]
            choices = ", ".join(f"`{choice}`" for choice in (switch.default, *others))
            assert f"| `{switch.name}` | {choices} | {switch.unconfirmed} |" in TABLE
