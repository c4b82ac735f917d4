"""`expand`: ids become objects, hidden fields appear (https://docs.stripe.com/api/expanding_objects)."""

from collections.abc import Iterable
from typing import Any, Final, TypeAlias

from coupon_pipeline.sandbox.stripe.account import Account
from coupon_pipeline.sandbox.stripe.errors import StripeError, invalid
from coupon_pipeline.sandbox.stripe.rendering import HIDDEN, coupon_of, hidden_value, shown
from coupon_pipeline.sandbox.stripe.store import StripeObject

Tree: TypeAlias = "dict[str, Tree]"

DEEPEST: Final = 4
ABSENT: Final = "-"
"""A kind of object that the sandbox has none of: the field is null or an id that stays one."""

INLINE: Final[dict[str, dict[str, str]]] = {
    "customer": {"discount": "discount", "subscriptions.data": "subscription"},
    "subscription": {"items.data": "subscription_item", "default_tax_rates": "tax_rate"},
    "subscription_item": {"price": "price", "plan": "plan", "tax_rates": "tax_rate"},
    "subscription_schedule": {
        "phases.default_tax_rates": "tax_rate",
        "phases.items.tax_rates": "tax_rate",
    },
    "invoice": {"lines.data": "line_item"},
}
"""Objects that are always inside others; one expands what is in them."""

EXPANDABLE: Final[dict[str, dict[str, str]]] = {
    "account": {},
    "balance": {},
    "customer": {"default_source": ABSENT, "test_clock": "test_clock"},
    "product": {"default_price": "price", "tax_code": ABSENT},
    "price": {"product": "product"},
    "plan": {"product": "product"},
    "tax_rate": {},
    "test_clock": {},
    "coupon": {},
    "event": {},
    "promotion_code": {"customer": "customer", "promotion.coupon": "coupon"},
    "discount": {
        "customer": "customer",
        "promotion_code": "promotion_code",
        "source.coupon": "coupon",
    },
    "subscription": {
        "application": ABSENT,
        "customer": "customer",
        "default_payment_method": ABSENT,
        "default_source": ABSENT,
        "discounts": "discount",
        "latest_invoice": "invoice",
        "on_behalf_of": ABSENT,
        "pending_setup_intent": ABSENT,
        "schedule": "subscription_schedule",
        "test_clock": "test_clock",
    },
    "subscription_item": {"discounts": "discount"},
    "subscription_schedule": {
        "application": ABSENT,
        "customer": "customer",
        "default_settings.default_payment_method": ABSENT,
        "default_settings.on_behalf_of": ABSENT,
        "subscription": "subscription",
        "test_clock": "test_clock",
        "phases.default_payment_method": ABSENT,
        "phases.discounts.coupon": "coupon",
        "phases.discounts.discount": "discount",
        "phases.discounts.promotion_code": "promotion_code",
        "phases.items.discounts.coupon": "coupon",
        "phases.items.discounts.discount": "discount",
        "phases.items.discounts.promotion_code": "promotion_code",
        "phases.items.plan": ABSENT,
        "phases.items.price": "price",
        "phases.add_invoice_items.price": "price",
        "phases.add_invoice_items.discounts.coupon": "coupon",
        "phases.on_behalf_of": ABSENT,
    },
    "invoice": {
        "application": ABSENT,
        "customer": "customer",
        "default_payment_method": ABSENT,
        "discounts": "discount",
        "parent.subscription_details.subscription": "subscription",
        "total_discount_amounts.discount": "discount",
        "test_clock": "test_clock",
    },
    "line_item": {
        "discounts": "discount",
        "discount_amounts.discount": "discount",
        "pricing.price_details.price": "price",
    },
}
"""Fields that hold ids, by kind, and what the ids are of. Lists are walked through."""


class Expansion:
    """The paths of one request, checked before anything is done."""

    def __init__(self, account: Account, paths: Iterable[str]) -> None:
        self._account = account
        self.tree: Tree = {}
        for path in paths:
            self._check_depth(path)
            branch = self.tree
            for segment in path.split("."):
                branch = branch.setdefault(segment, {})

    def _check_depth(self, path: str) -> None:
        segments = path.split(".")
        if self._account.switches.stripe_expand_levels == "without_data":
            segments = [segment for segment in segments if segment != "data"]
        if len(segments) > DEEPEST:
            raise invalid(
                f"You cannot expand more than {DEEPEST} levels of a property ({path}).", "expand"
            )

    def object(self, kind: str, thing: StripeObject) -> StripeObject:
        """One stored object, shown and expanded."""
        return self._resource(kind, thing, self.tree, "")

    def page(self, kind: str, things: Iterable[StripeObject]) -> list[StripeObject]:
        """The members of a list; their paths start with `data.`."""
        for segment in self.tree:
            if segment != "data":
                raise _cannot(segment, hint=f"data.{segment}")
        inside = self.tree.get("data", {})
        return [self._resource(kind, thing, inside, "data.") for thing in things]

    def _resource(self, kind: str, thing: StripeObject, tree: Tree, path: str) -> StripeObject:
        result = shown(self._account, kind, thing)
        if tree and not thing.get("deleted"):
            self._expand(kind, thing, result, tree, path)
        return result

    def _expand(
        self, kind: str, thing: StripeObject, result: StripeObject, tree: Tree, path: str
    ) -> None:
        for segment, branch in tree.items():
            if segment in HIDDEN.get(kind, ()):
                result[segment] = hidden_value(self._account, kind, thing, segment)
            if segment not in HIDDEN.get(kind, ()) or branch:
                self._step(_Spot(kind, thing, "", path), result, segment, branch)

    def _step(self, spot: "_Spot", holder: StripeObject, segment: str, branch: Tree) -> None:
        """Expand one member of a holder, which is the object itself or something inside it."""
        field = f"{spot.inside}{segment}"
        full = f"{spot.path}{segment}"
        value = holder.get(segment)
        if field in EXPANDABLE[spot.kind]:
            target = EXPANDABLE[spot.kind][field]
            holder[segment] = self._references(spot, target, value, branch, full)
        elif field in INLINE.get(spot.kind, {}):
            holder[segment] = self._inside(INLINE[spot.kind][field], value, branch, full)
        elif _leads_on(spot.kind, field):
            if not branch and segment not in {"items", "lines", "subscriptions"}:
                raise _cannot(full)
            deeper = _Spot(spot.kind, spot.thing, f"{field}.", f"{full}.")
            if isinstance(value, list):
                holder[segment] = [self._walk(deeper, one, branch) for one in value]
            elif isinstance(value, dict):
                holder[segment] = self._walk(deeper, value, branch)
        else:
            raise _cannot(full)

    def _walk(self, spot: "_Spot", value: StripeObject, branch: Tree) -> StripeObject:
        copy = dict(value)
        for segment, further in branch.items():
            self._step(spot, copy, segment, further)
        return copy

    def _inside(self, kind: str, value: Any, branch: Tree, full: str) -> Any:
        if isinstance(value, list):
            return [self._inside(kind, one, branch, full) for one in value]
        if not isinstance(value, dict):
            return value
        stored = self._account.store.get(kind, value["id"]) or value
        copy = dict(value)
        self._expand(kind, stored, copy, branch, f"{full}.")
        return copy

    def _references(self, spot: "_Spot", kind: str, value: Any, branch: Tree, full: str) -> Any:
        if isinstance(value, list):
            return [self._reference(spot, kind, one, branch, full) for one in value]
        return self._reference(spot, kind, value, branch, full)

    def _reference(self, spot: "_Spot", kind: str, value: Any, branch: Tree, full: str) -> Any:
        if isinstance(value, dict):
            stored = self._account.store.get(kind, value["id"])
            return value if stored is None else self._resource(kind, stored, branch, f"{full}.")
        if not isinstance(value, str) or kind == ABSENT:
            return value
        if kind == "coupon" and spot.kind == "discount":
            found = coupon_of(self._account, spot.thing)
        else:
            found = self._account.store.get(kind, value)
        return value if found is None else self._resource(kind, found, branch, f"{full}.")


class _Spot:
    """Where an expansion has got to: in which object, and how far inside it."""

    def __init__(self, kind: str, thing: StripeObject, inside: str, path: str) -> None:
        self.kind = kind
        self.thing = thing
        self.inside = inside
        self.path = path


def _leads_on(kind: str, field: str) -> bool:
    start = f"{field}."
    return any(name.startswith(start) for name in (*EXPANDABLE[kind], *INLINE.get(kind, {})))


def _cannot(path: str, hint: str | None = None) -> StripeError:
    advice = "" if hint is None else f" You may want to try expanding '{hint}' instead."
    return invalid(f"This property cannot be expanded ({path}).{advice}", "expand")
