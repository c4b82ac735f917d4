"""What a person can tell a run in the launchpad. Wrong input is refused before anything is asked.

Nothing that is told here is remembered: the next run knows nothing of it.
"""

from datetime import date
from typing import Annotated, TypeAlias

import dagster as dg
from pydantic import AfterValidator, Field, model_validator

from coupon_pipeline.domain.ids import normalise_id
from coupon_pipeline.domain.records import Selection
from coupon_pipeline.domain.snapshots import is_snapshot_id


def _is_a_day(text: str | None) -> str | None:
    """Raises: ValueError, as pydantic expects it, where the text is no day."""
    if text is not None:
        date.fromisoformat(text)
    return text


def replacement_name(text: str) -> str:
    """An id that names discounts, as the ledger has it.

    Raises:
        InvalidIdError: it is neither an id of Salesforce nor of a snapshot.
    """
    return text if is_snapshot_id(text) else normalise_id(text)


OrderId: TypeAlias = Annotated[str, AfterValidator(normalise_id)]
ReplacementName: TypeAlias = Annotated[str, AfterValidator(replacement_name)]
Day: TypeAlias = Annotated[str | None, AfterValidator(_is_a_day)]


class RunOptions(dg.ConfigurableResource[None]):
    """What a sync can be told: `resources: options: config:` in the launchpad."""

    order_ids: list[OrderId] = Field(
        default=[],
        description="Only these orders of the run's days (ids of 15 or 18 characters); "
        "empty for all of them.",
    )
    replace_attached: list[ReplacementName] = Field(
        default=[],
        description="Replace the discounts of these orders, order items, quote coupons or "
        "snapshots that were granted from other terms than the mapping asks for now.",
    )

    def selection(self, context: dg.AssetExecutionContext) -> Selection:
        """The orders that this run is about."""
        days = [date.fromisoformat(key) for key in context.partition_keys]
        return Selection(first_day=min(days), last_day=max(days), order_ids=tuple(self.order_ids))


class PlanOptions(dg.Config):
    """What a plan can be told."""

    first_day: Day = Field(
        default=None,
        description="First day of activation in UTC, such as 2026-11-01; without it, the first "
        "on which the org has an order.",
    )
    last_day: Day = Field(
        default=None, description="Last day of activation in UTC; without it, today."
    )
    order_ids: list[OrderId] = Field(
        default=[],
        description="Only these orders (ids of 15 or 18 characters), whatever their days.",
    )
    replace_attached: list[ReplacementName] = Field(
        default=[],
        description="Replace the discounts of these orders, order items, quote coupons or "
        "snapshots that were granted from other terms than the mapping asks for now.",
    )
    invoices: bool = Field(
        default=False,
        description="Also ask Stripe for the next invoice of each subscription that would change: "
        "two reads each.",
    )

    @model_validator(mode="after")
    def _days_are_in_order(self) -> "PlanOptions":
        if self.first_day and self.last_day and self.first_day > self.last_day:
            raise ValueError(f"first_day {self.first_day} is after last_day {self.last_day}")
        return self

    @property
    def days(self) -> tuple[date | None, date | None]:
        """First and last, where they are given."""
        first, last = (
            None if day is None else date.fromisoformat(day)
            for day in (self.first_day, self.last_day)
        )
        return first, last
