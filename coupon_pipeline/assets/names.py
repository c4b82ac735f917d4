"""What things are called in Dagster: as they are, or under the name of their connection."""

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from coupon_pipeline.settings import Settings


@dataclass(frozen=True, slots=True)
class Names:
    """Names of one connection's assets, groups, pools, jobs, schedules and sensors."""

    connection: str | None = None
    """None where the environment names the only one: then nothing has a prefix."""

    @classmethod
    def of(cls, settings: Settings) -> "Names":
        """Those of the connection that the settings are about."""
        return cls(settings.connection)

    @property
    def prefix(self) -> Sequence[str]:
        """What stands before an asset's name in its key."""
        return () if self.connection is None else (self.connection,)

    @property
    def group(self) -> str:
        """The one group of all its assets: the graph of a single one opens unfolded."""
        return self.connection or "coupons"

    def key(self, asset: str) -> dg.AssetKey:
        """The key of one of the connection's assets."""
        return dg.AssetKey([*self.prefix, asset])

    def named(self, name: str) -> str:
        """A name that is the connection's own."""
        return "_".join([*self.prefix, name])

    def assets(self) -> dg.AssetSelection:
        """All assets of the connection, with their checks."""
        if self.connection is None:
            return dg.AssetSelection.all()
        return dg.AssetSelection.key_prefixes([self.connection])
