"""Which orders a sync or a plan is about, from days and ids that a person gave."""

from contextlib import closing
from datetime import UTC, date, datetime
from typing import Literal, TypeAlias

from coupon_pipeline.assets.resources import open_salesforce
from coupon_pipeline.domain.ids import InvalidIdError, normalise_id
from coupon_pipeline.domain.records import Selection
from coupon_pipeline.settings import Settings

Part: TypeAlias = Literal["from", "to", "order"]


class SelectionError(ValueError):
    """The days or ids make no sense. `part` is the one to change."""

    def __init__(self, part: Part, message: str) -> None:
        super().__init__(message)
        self.part = part


def select_orders(
    settings: Settings, first: date | None, last: date | None, order_ids: tuple[str, ...]
) -> Selection | None:
    """The orders of these days, or these orders; None where the org has no activated order at all.

    The org's clock counts beside ours: an order that it has activated is never left out.

    Raises:
        SelectionError: the days or ids make no sense.
        SettingsError: an account's settings are wrong, which is told before anything is asked.
        SalesforceError: the org had to be asked and could not be.
    """
    settings.salesforce()
    settings.stripe()
    try:
        ids = tuple(normalise_id(order_id) for order_id in order_ids)
    except InvalidIdError as error:
        raise SelectionError("order", str(error)) from error
    if first is not None and first < settings.first_day:
        raise SelectionError(
            "from",
            f"{first} is before {settings.first_day}, the first day that is looked at; "
            "COUPON_PIPELINE_SYNC_START_DATE sets it.",
        )
    if first is not None and last is not None and first > last:
        raise SelectionError("from", f"{first} is after {last}, the last day.")
    if ids:
        return _days_of_orders(settings, ids)
    today = datetime.now(UTC).date()
    if first is not None and last is not None and last <= today:
        return Selection(first, last)
    with closing(open_salesforce(settings)) as salesforce:
        activations = salesforce.activation_range()
    earliest, latest = activations or (today, today)
    if last is not None and last > max(today, latest):
        raise SelectionError("to", f"{last} has not come yet.")
    if activations is None and first is None:
        return None
    from_day = first if first is not None else max(earliest, settings.first_day)
    to_day = last if last is not None else max(today, latest)
    return Selection(min(from_day, to_day), to_day)


def _days_of_orders(settings: Settings, ids: tuple[str, ...]) -> Selection:
    with closing(open_salesforce(settings)) as salesforce:
        days = salesforce.read_order_days(ids)
    unknown = [order_id for order_id in ids if order_id not in days]
    if unknown:
        raise SelectionError(
            "order", f"{', '.join(unknown)} is not an activated order of this org."
        )
    return Selection(min(days.values()), max(days.values()), ids)
