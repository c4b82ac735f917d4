"""What a person can tell a run in the launchpad. Wrong input is refused before anything is asked.

Nothing that is told here is remembered: the next run knows nothing of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, TypeAlias

import dagster as dg
from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from coupon_pipeline.assets.resources import read_plan
from coupon_pipeline.assets.run import RunStopped
from coupon_pipeline.domain.caps import Caps, parse_amounts
from coupon_pipeline.domain.ids import normalise_id
from coupon_pipeline.domain.problems import Problem
from coupon_pipeline.domain.records import Selection
from coupon_pipeline.domain.saved_plan import SavedPlan
from coupon_pipeline.domain.snapshots import is_snapshot_id


def _is_a_day(text: str | None) -> str | None:
    """As 2026-11-01, however it is written, so that days compare as texts do.

    Raises:
        ValueError: as pydantic expects it, where the text is no day.
    """
    return None if text is None else date.fromisoformat(text).isoformat()


def replacement_name(text: str) -> str:
    """An id that names discounts, as the ledger has it.

    Raises:
        InvalidIdError: it is neither an id of Salesforce nor of a snapshot.
    """
    return text if is_snapshot_id(text) else normalise_id(text)


OrderId: TypeAlias = Annotated[str, AfterValidator(normalise_id)]
ReplacementName: TypeAlias = Annotated[str, AfterValidator(replacement_name)]


def _is_amounts(text: str) -> str:
    """Raises: ValueError, where the text holds no amounts."""
    parse_amounts(text)
    return text


def _is_a_number(text: str) -> str:
    """Raises: ValueError, as pydantic expects it, where the text is no number above 0."""
    try:
        fits = not text or Decimal(text) > 0
    except InvalidOperation:
        fits = False
    if not fits:
        raise ValueError(f"{text} is not a number above 0")
    return text


Amounts: TypeAlias = Annotated[str, AfterValidator(_is_amounts)]
Number: TypeAlias = Annotated[str, AfterValidator(_is_a_number)]
Day: TypeAlias = Annotated[str | None, AfterValidator(_is_a_day)]


class RunOptions(dg.Config):
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
    plan_file: str = Field(
        default="",
        description="Make only the writes of this plan, of a file that `plan --out` saved.",
    )
    live: bool = Field(
        default=False,
        description="Live money is meant; needed where COUPON_PIPELINE_LIVE is with_flag.",
    )
    max_coupons: int | None = Field(
        default=None,
        ge=0,
        description="Stripe coupons that this run may make, instead of the setting.",
    )
    max_attachments: int | None = Field(
        default=None,
        ge=0,
        description="Discounts that this run may attach, instead of the setting.",
    )
    max_percent: Number = Field(
        default="", description="Percentage that a discount may have, instead of the setting."
    )
    max_amount: Amounts = Field(
        default="",
        description="Sums of amounts off, such as usd=1000,eur=900, instead of the setting.",
    )
    max_growth: Number = Field(
        default="",
        description="Attachments as a multiple of the mean of the last runs, instead of the "
        "setting.",
    )

    def caps(self) -> Caps:
        """The caps that this run has instead of the settings'."""
        return Caps(
            coupons=self.max_coupons,
            attachments=self.max_attachments,
            percent=Decimal(self.max_percent) if self.max_percent else None,
            amount=parse_amounts(self.max_amount),
            growth=Decimal(self.max_growth) if self.max_growth else None,
        )

    def selection(self, context: dg.AssetExecutionContext) -> Selection:
        """The orders that this run is about."""
        days = [date.fromisoformat(key) for key in context.partition_keys]
        return Selection(first_day=min(days), last_day=max(days), order_ids=tuple(self.order_ids))

    def plan(self) -> SavedPlan | None:
        """The plan that is applied, if one is.

        Raises:
            RunStopped: the file is not a plan any more.
        """
        return read_plan(Path(self.plan_file)) if self.plan_file else None


@dataclass(frozen=True, slots=True)
class GivenOptions:
    """The options as somebody wrote them.

    They are looked at by the first step. A resource that fails ends the run without saying which
    step it was, as when its program was killed, and Dagster would try it again.
    """

    written: Mapping[str, object]

    def checked(self) -> RunOptions:
        """What they mean.

        Raises:
            RunStopped: something in them makes no sense.
        """
        try:
            return RunOptions.model_validate(dict(self.written))
        except ValidationError as error:
            what = "; ".join(map(_in_words, error.errors()))
            raise RunStopped(Problem("run.options_invalid", {"what": what})) from error


def _in_words(fault: ErrorDetails) -> str:
    """Which option it is about, and what pydantic or a check of ours says of it."""
    said = fault["msg"].removeprefix("Value error, ").removesuffix(".")
    return f"{'.'.join(map(str, fault['loc']))}: {said}"


def run_options() -> dg.ResourceDefinition:
    """What the launchpad offers a sync, each field with its sentence."""
    return dg.ResourceDefinition(
        lambda context: GivenOptions(context.resource_config),
        config_schema=RunOptions.to_config_schema(),
        description="what this run is told besides its days",
    )


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
