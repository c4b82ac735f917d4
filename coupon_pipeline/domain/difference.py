"""A difference between two accounts of everything, and what such an account holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, TypeAlias

from coupon_pipeline.domain.attachments import Lacking
from coupon_pipeline.domain.overwritten import Overwritten
from coupon_pipeline.domain.problems import RecordNames
from coupon_pipeline.domain.records import CouponVersion, OrderCoupon
from coupon_pipeline.domain.reuse import KnownCoupon, StripeCoupon
from coupon_pipeline.domain.snapshots import Snapshot
from coupon_pipeline.domain.targets import TargetState

Kind: TypeAlias = Literal[
    "missing", "extra", "edited", "deleted", "exhausted", "orphaned", "foreign", "overwritten"
]
KINDS: tuple[Kind, ...] = (
    "missing",
    "extra",
    "edited",
    "deleted",
    "exhausted",
    "orphaned",
    "foreign",
    "overwritten",
)


class Mender(StrEnum):
    """Who may mend a difference."""

    SYNC = "sync"
    """A sync of its order does; `repair --plan` shows the writes."""
    REBUILD = "rebuild-ledger"
    """The ledger is what is wrong, and is made again."""
    PERSON = "person"
    """No rule lets the pipeline do it."""
    NOBODY = "nobody"
    """It may well be meant, and nothing is done about it."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference, by the record that it is about."""

    kind: Kind
    record_id: str
    sentence: str
    """A template over `details`, `{order}` and `{quote_coupon}`."""
    remedy: str
    """The same; what its mender has to do."""
    mender: Mender
    details: Mapping[str, str] = field(default_factory=dict)
    order_id: str | None = None
    quote_coupon_id: str | None = None
    contradicts_ledger: bool = True
    """Whether the ledger says otherwise; else it only does not speak of it."""
    synced_with: str | None = None
    """The order whose sync mends it, where that is another one."""

    def what(self, names: RecordNames) -> str:
        """What differs, with the records called by their names as well."""
        return self._filled(self.sentence, names)

    def fix(self, names: RecordNames) -> str:
        """What to do about it."""
        return self._filled(self.remedy, names)

    def _filled(self, template: str, names: RecordNames) -> str:
        text = template.format_map(
            {
                **self.details,
                "order": names.order(self.order_id or ""),
                "order_id": self.order_id or "",
                "quote_coupon": names.quote_coupon(self.quote_coupon_id or ""),
            }
        )
        return text[:1].upper() + text[1:]


@dataclass(frozen=True, slots=True)
class HeldDiscount:
    """What an account says of a snapshot's discount."""

    granted: bool
    coupon_id: str | None
    target_id: str | None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class HeldSyncRecord:
    """What an account says that the sales team is told of a coupon of an order."""

    order_id: str
    status: Literal["Error", "Resolved"]
    message: str


@dataclass(frozen=True, slots=True)
class Held:
    """One account of everything: the ledger's, or that of a look at both systems."""

    targets: Mapping[str, str | None]
    """What each activated order names in Stripe, by order id."""
    snapshots: Mapping[str, Snapshot]
    hashes: Mapping[str, tuple[str, str]]
    """Mapping hash and terms hash by snapshot id; absent for what is blocked."""
    coupons: Mapping[str, KnownCoupon]
    discounts: Mapping[str, HeldDiscount]
    """By snapshot id."""
    order_coupons: Mapping[str, OrderCoupon]
    quote_coupons: Mapping[str, CouponVersion] = field(default_factory=dict)
    """Those that the orders use, as they were last seen."""
    sync_records: Mapping[str, HeldSyncRecord] = field(default_factory=dict)
    """By compound id."""


@dataclass(frozen=True, slots=True)
class LackingOn:
    """What later phases of a target lack of what was granted, and whose sync sends it on."""

    target_id: str
    lacking: Lacking
    synced_with: str | None
    """The order that makes the next sync look at the target; None where none does."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was read in Stripe, also what no account of ours has a place for."""

    coupons: Mapping[str, StripeCoupon]
    """Every coupon of the account."""
    targets: Sequence[TargetState]
    edited: frozenset[str] = frozenset()
    """Coupons that say they are ours and are not what they were made as."""
    unread: frozenset[str] = frozenset()
    """Names of targets that could not be read: nothing is said of them."""
    overwritten: Sequence[Overwritten] = ()
    """What writes of ours took away unknowingly, as far as events tell it."""
    lacking: Sequence[LackingOn] = ()
    """What the ledger will not send on by itself."""
