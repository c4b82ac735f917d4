"""A plan in a file: the writes, what they rest on, and the reasons not to make them.

The file is for people and for a review; it is never the source of a write. `apply` plans again and
makes its own writes only where they are, one for one, those of the file.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import cast

from coupon_pipeline.domain.planned_writes import PlannedWrite, System
from coupon_pipeline.domain.problems import Problem
from coupon_pipeline.domain.records import Selection

FORMAT = 1

_NAMED = 5
"""So many differences are named in a refusal."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """Whose records a plan is about."""

    org_id: str
    stripe_account: str | None
    """None where the key may not ask for it."""
    livemode: bool
    ledger: str | None
    """When the ledger was opened, which tells it from another; None before there is one."""

    @property
    def sentence(self) -> str:
        """For people."""
        mode = "live" if self.livemode else "test"
        ledger = f"the ledger opened {self.ledger}" if self.ledger else "a ledger to be opened"
        account = self.stripe_account or "unknown"
        return f"org {self.org_id}, Stripe account {account}, {mode} mode and {ledger}"


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """What was decided, and on what."""

    plan_id: str
    made_at: datetime
    accounts: Accounts
    selection: Selection
    replace_attached: tuple[str, ...]
    """What it was told to replace."""
    basis: Mapping[str, str]
    """Everything that the decisions rest on, by name, each with its digest or its value."""
    writes: tuple[PlannedWrite, ...]
    document: Mapping[str, object]
    """What `plan --json` printed."""

    def to_text(self) -> str:
        """The file: JSON, with a hash over everything else in it."""
        content: dict[str, object] = {
            "format": FORMAT,
            "plan_id": self.plan_id,
            "made_at": self.made_at.isoformat(),
            "accounts": asdict(self.accounts),
            "selection": {
                "first_day": self.selection.first_day.isoformat(),
                "last_day": self.selection.last_day.isoformat(),
                "order_ids": list(self.selection.order_ids),
            },
            "replace_attached": list(self.replace_attached),
            "basis": dict(self.basis),
            "writes": [{**asdict(each), "order_ids": list(each.order_ids)} for each in self.writes],
            "document": dict(self.document),
        }
        return json.dumps({"hash": _hash(content), **content}, indent=1, ensure_ascii=False)

    @classmethod
    def from_text(cls, text: str) -> "SavedPlan | Problem":
        """The plan of a file, or why there is none to be had."""
        try:
            content = json.loads(text)
            claimed = content.pop("hash")
            if content["format"] != FORMAT:
                return Problem("plan.unreadable", {"reason": f"format {content['format']}"})
            if _hash(content) != claimed:
                return Problem("plan.tampered")
            return _plan_of(content)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return Problem("plan.unreadable", {"reason": f"{type(error).__name__}: {error}"})

    def refusal(
        self, accounts: Accounts, now: datetime, *, max_age: timedelta, applied: datetime | None
    ) -> Problem | None:
        """Why it must not be applied, whatever it says; None if nothing speaks against it.

        Args:
            accounts: those that the settings name.
            now: the time.
            max_age: how old a plan may be.
            applied: when it was applied, if it was.
        """
        if applied is not None:
            return Problem("plan.already_applied", {"applied_at": _shown(applied)})
        if self.accounts != accounts:
            return Problem(
                "plan.other_accounts",
                {"planned": self.accounts.sentence, "now": accounts.sentence},
            )
        if not self.made_at <= now <= self.made_at + max_age:
            hours = f"{max_age / timedelta(hours=1):g}"
            return Problem("plan.too_old", {"made_at": _shown(self.made_at), "hours": hours})
        return None

    def change(self, basis: Mapping[str, str], writes: Iterable[PlannedWrite]) -> Problem | None:
        """What has changed since: what it rests on, or, with the time, what would be written."""
        changed = [*_differing(self.basis, basis), *_other_writes(self.writes, writes)]
        if not changed:
            return None
        more = f" and {len(changed) - _NAMED} more" if len(changed) > _NAMED else ""
        return Problem("plan.changed", {"changed": f"{', '.join(changed[:_NAMED])}{more}"})


def _hash(content: Mapping[str, object]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _differing(ours: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    return [name for name in sorted({*ours, *theirs}) if ours.get(name) != theirs.get(name)]


def _other_writes(ours: Iterable[PlannedWrite], theirs: Iterable[PlannedWrite]) -> list[str]:
    mine = {each.digest: each for each in ours}
    others = {each.digest: each for each in theirs}
    differing = [*(mine[d] for d in mine.keys() - others.keys())]
    differing += [others[d] for d in others.keys() - mine.keys()]
    return sorted({f"the write {each.operation} of {each.target_id}" for each in differing})


def _shown(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _plan_of(content: Mapping[str, object]) -> SavedPlan:
    fields = cast("dict[str, dict[str, object]]", content)
    accounts, selection = fields["accounts"], fields["selection"]
    return SavedPlan(
        plan_id=str(content["plan_id"]),
        made_at=datetime.fromisoformat(str(content["made_at"])),
        accounts=Accounts(
            org_id=str(accounts["org_id"]),
            stripe_account=cast("str | None", accounts["stripe_account"]),
            livemode=accounts["livemode"] is True,
            ledger=cast("str | None", accounts["ledger"]),
        ),
        selection=Selection(
            date.fromisoformat(str(selection["first_day"])),
            date.fromisoformat(str(selection["last_day"])),
            tuple(cast("list[str]", selection["order_ids"])),
        ),
        replace_attached=tuple(cast("list[str]", content["replace_attached"])),
        basis=cast("dict[str, str]", fields["basis"]),
        writes=tuple(
            PlannedWrite(
                system=cast("System", each["system"]),
                operation=str(each["operation"]),
                target_id=str(each["target_id"]),
                body=str(each["body"]),
                order_ids=tuple(cast("list[str]", each["order_ids"])),
            )
            for each in cast("list[dict[str, object]]", content["writes"])
        ),
        document=fields["document"],
    )
