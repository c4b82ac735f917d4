"""Carries out requests on one account: handler, answer, commit, and what it sets in motion."""

import json
from collections.abc import Callable
from typing import Any

from coupon_pipeline.sandbox.stripe.account import Account
from coupon_pipeline.sandbox.stripe.accounts import advance_clock
from coupon_pipeline.sandbox.stripe.agenda import Agenda
from coupon_pipeline.sandbox.stripe.answers import Answer, Call, Shown
from coupon_pipeline.sandbox.stripe.endpoints import Endpoint
from coupon_pipeline.sandbox.stripe.events import NOBODY, Cause, note_changes
from coupon_pipeline.sandbox.stripe.expanding import Expansion
from coupon_pipeline.sandbox.stripe.invoices import create_preview
from coupon_pipeline.sandbox.stripe.searching import SearchIndex, search
from coupon_pipeline.sandbox.stripe.store import StripeObject


class Desk:
    """One account in one mode, with its agenda and its search."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.agenda = Agenda(account)
        self.index = SearchIndex()
        self._named: dict[str, Callable[[Call], Answer]] = {
            "search": lambda call: search(account, call, self.index),
            "create_preview": lambda call: create_preview(account, call, self.agenda),
            "advance_clock": lambda call: advance_clock(account, call, self.agenda),
        }
        for kind in ("subscription", "subscription_schedule", "customer"):
            self._settle((kind, one) for one in account.store.table(kind).objects)

    def catch_up(self, now: int) -> None:
        """Let happen what was due by now."""
        self.agenda.catch_up(now)

    def perform(self, endpoint: Endpoint, call: Call, cause: Cause = NOBODY) -> StripeObject:
        """The answer as Stripe shows it. All of the work is kept, or none."""
        store = self.account.store
        try:
            expansion = Expansion(self.account, call.params.get("expand", []))
            if isinstance(endpoint.handler, str):
                answer = self._named[endpoint.handler](call)
            else:
                answer = endpoint.handler(self.account, call)
            shown = _shown(expansion, answer)
        except BaseException:
            store.rollback()
            raise
        if isinstance(answer, Shown) and answer.undo:
            store.rollback()
        else:
            self.commit(cause)
        return shown

    def commit(self, cause: Cause = NOBODY) -> None:
        """Keep what was changed and look when it wants to happen next."""
        store = self.account.store
        note_changes(self.account, cause)
        changed = store.changed()
        store.commit()
        self._settle(changed)

    def _settle(self, changed: Any) -> None:
        known = list(changed)
        self.agenda.note(known)
        now = int(self.account.clock.now().timestamp()) if known else 0
        for kind, object_id in known:
            subscription = self.account.store.get(kind, object_id)
            if kind == "subscription" and subscription is not None:
                self.index.note(now, subscription)


def _shown(expansion: Expansion, answer: Answer) -> StripeObject:
    if isinstance(answer, Shown):
        return expansion.object(answer.kind, answer.thing)
    return {
        "object": answer.object,
        "data": expansion.page(answer.kind, answer.things),
        "has_more": answer.has_more,
        "url": answer.url,
        **answer.more,
    }


def to_json(shown: StripeObject) -> str:
    """The body of an answer."""
    return json.dumps(shown, ensure_ascii=False, separators=(",", ":"))
