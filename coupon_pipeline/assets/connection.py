"""Pairs of an org and an account, opened when something first asks for them.

So Dagster opens without any secret, and a missing setting is a sentence in the run that needs it.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from functools import cached_property

import dagster as dg

from coupon_pipeline.assets.names import Names
from coupon_pipeline.assets.resources import (
    open_ledger,
    open_salesforce,
    open_stripe,
    read_mapping,
)
from coupon_pipeline.domain.mapping import CouponMapping
from coupon_pipeline.ledger import Ledger
from coupon_pipeline.salesforce import SalesforceEdge
from coupon_pipeline.settings import Settings
from coupon_pipeline.stripe_api import StripeEdge


class Connection:
    """One Salesforce org and one Stripe account with their ledger, for the length of a run."""

    def __init__(
        self,
        settings: Settings,
        *,
        ledger: Ledger | None = None,
        salesforce: SalesforceEdge | None = None,
        stripe: StripeEdge | None = None,
    ) -> None:
        self.settings = settings
        self._given = (ledger, salesforce, stripe)
        self._opened = ExitStack()

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger; its file is opened by each transaction."""
        return self._given[0] or open_ledger(self.settings)

    @cached_property
    def mapping(self) -> CouponMapping:
        """The mapping in force when it was first asked for.

        Raises:
            SettingsError: the file that the setting names cannot be read.
            MappingError: what is in it is not a mapping.
        """
        return read_mapping(self.settings)

    @cached_property
    def salesforce(self) -> SalesforceEdge:
        """The org; logs in at the first request.

        Raises:
            SettingsError: its settings are missing or wrong.
        """
        edge = self._given[1] or open_salesforce(self.settings)
        self._opened.callback(edge.close)
        return edge

    @cached_property
    def stripe(self) -> StripeEdge:
        """The account; connects at the first request.

        Raises:
            SettingsError: its settings are missing or wrong.
        """
        edge = self._given[2] or open_stripe(self.settings)
        self._opened.callback(edge.close)
        return edge

    def close(self) -> None:
        """Let go of what was opened."""
        self._opened.close()


class Connections:
    """All that this deployment holds; assets and checks find theirs by their own key."""

    def __init__(self, settings: Sequence[Settings]) -> None:
        self._by_prefix = {tuple(Names.of(each).prefix): Connection(each) for each in settings}

    def of(self, key: dg.AssetKey) -> Connection:
        """The connection that an asset belongs to."""
        return self._by_prefix[tuple(key.path[:-1])]

    def close(self) -> None:
        """Let go of what was opened."""
        for connection in self._by_prefix.values():
            connection.close()
