"""What somebody allows one run to do, beyond the settings: `--live` and the caps."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from decimal import Decimal, InvalidOperation
from functools import wraps

import click

from coupon_pipeline.domain.caps import Caps, parse_amounts


@dataclass(frozen=True, slots=True)
class Allowed:
    """As the options of a run take it; empty where the settings say it."""

    live: bool = False
    max_coupons: int | None = None
    max_attachments: int | None = None
    max_percent: str = ""
    max_amount: str = ""
    max_growth: str = ""

    def config(self) -> dict[str, object]:
        """For the run's options in Dagster; what is not given is left out."""
        return {name: value for name, value in asdict(self).items() if value not in (None, "")}

    def caps(self) -> Caps:
        """Those that were given."""
        return Caps(
            coupons=self.max_coupons,
            attachments=self.max_attachments,
            percent=Decimal(self.max_percent) if self.max_percent else None,
            amount=parse_amounts(self.max_amount),
            growth=Decimal(self.max_growth) if self.max_growth else None,
        )


def allowing_options(command: Callable[..., int]) -> Callable[..., int]:
    """The options of commands that write; the command gets them as `allowed`."""

    @wraps(command)
    def with_allowed(
        *,
        live: bool,
        max_coupons: int | None,
        max_attachments: int | None,
        max_percent: str,
        max_amount: str,
        max_growth: str,
        **others: object,
    ) -> int:
        allowed = Allowed(live, max_coupons, max_attachments, max_percent, max_amount, max_growth)
        return command(allowed=allowed, **others)

    decorated: Callable[..., int] = with_allowed
    count = click.IntRange(min=0)
    for decorate in (
        click.option(
            "--max-growth",
            default="",
            callback=_number,
            metavar="FACTOR",
            help="Discounts as a multiple of the mean of the last runs.",
        ),
        click.option(
            "--max-amount",
            default="",
            callback=_amounts,
            metavar="CUR=AMOUNT,...",
            help="Sum of the amounts off, by currency, in major units.",
        ),
        click.option(
            "--max-percent",
            default="",
            callback=_number,
            metavar="PERCENT",
            help="Percentage that a discount may have.",
        ),
        click.option("--max-attachments", type=count, help="Discounts that may be attached."),
        click.option("--max-coupons", type=count, help="Stripe coupons that may be made."),
        click.option(
            "--live",
            is_flag=True,
            help="Live money is meant; needed where COUPON_PIPELINE_LIVE is with_flag.",
        ),
    ):
        decorated = decorate(decorated)
    return decorated


def _number(context: click.Context, option: click.Parameter, value: str) -> str:
    del context, option
    try:
        if value and not Decimal(value) > 0:
            raise click.BadParameter(f"{value} is not above 0.")
    except InvalidOperation as error:
        raise click.BadParameter(f"{value} is not a number.") from error
    return value


def _amounts(context: click.Context, option: click.Parameter, value: str) -> str:
    del context, option
    try:
        parse_amounts(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return value
