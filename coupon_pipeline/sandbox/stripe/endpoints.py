"""Every endpoint that the sandbox serves: its path, parameters, permission and handler."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import ModuleType
from typing import Any, Final

from coupon_pipeline.sandbox.stripe import (
    accounts,
    catalogue,
    coupons,
    customers,
    events,
    invoices,
    pausing,
    promotion_codes,
    schedules,
    subscription_items,
    subscriptions,
)
from coupon_pipeline.sandbox.stripe.answers import Handler
from coupon_pipeline.sandbox.stripe.errors import not_implemented

HANDLERS: Final[dict[str, ModuleType]] = {
    "accounts": accounts,
    "catalogue": catalogue,
    "coupons": coupons,
    "customers": customers,
    "events": events,
    "invoices": invoices,
    "pausing": pausing,
    "promotion_codes": promotion_codes,
    "schedules": schedules,
    "subscription_items": subscription_items,
    "subscriptions": subscriptions,
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One line of `endpoints.toml`.

    `handler` is a name where more than the account is needed; `parameters` names the types of
    the SDK, `takes` those of them that are implemented.
    """

    method: str
    path: str
    handler: Handler | str
    parameters: str
    permission: str | None
    takes: frozenset[str]
    refuses: tuple[str, ...]

    def check(self, params: dict[str, Any]) -> None:
        """Refuse what Stripe has and the sandbox does not, so that nothing is just ignored."""
        for name in params:
            if name not in self.takes:
                raise not_implemented(name)
        for dotted in self.refuses:
            for found in _find(params, dotted.split("."), ""):
                raise not_implemented(found)


class Routing:
    """Finds the endpoint of a path."""

    def __init__(self) -> None:
        self._tree: dict[str, Any] = {}
        for endpoint in endpoints():
            node = self._tree
            for part in endpoint.path.split("/")[1:]:
                node = node.setdefault(part, {})
            node.setdefault("", {})[endpoint.method] = endpoint

    def find(self, method: str, parts: list[str]) -> tuple[Endpoint, tuple[str, ...]] | None:
        """The endpoint and the ids in the path; None when there is none."""
        node = self._tree
        ids: list[str] = []
        for part in parts:
            if part and part in node:
                node = node[part]
            elif part and "{id}" in node:
                node = node["{id}"]
                ids.append(part)
            else:
                return None
        endpoint = node.get("", {}).get(method)
        return None if endpoint is None else (endpoint, tuple(ids))


@cache
def endpoints() -> tuple[Endpoint, ...]:
    """All endpoints, from the table beside this module."""
    text = files("coupon_pipeline.sandbox.stripe").joinpath("endpoints.toml").read_text("utf-8")
    return tuple(_endpoint(line) for line in tomllib.loads(text)["endpoint"])


def _endpoint(line: dict[str, Any]) -> Endpoint:
    method, path = line["call"].split()
    module, _, name = line["handler"].partition(".")
    return Endpoint(
        method=method,
        path=path,
        handler=getattr(HANDLERS[module], name) if name else module,
        parameters=line["parameters"],
        permission=line.get("permission"),
        takes=frozenset(line.get("takes", ())),
        refuses=tuple(line.get("refuses", ())),
    )


def _find(value: Any, path: list[str], name: str) -> Iterator[str]:
    """The bracketed names under which a dotted path is given; `*` is any key of a map."""
    if isinstance(value, list):
        for position, one in enumerate(value):
            yield from _find(one, path, f"{name}[{position}]")
    elif isinstance(value, dict) and path[0] == "*":
        for key, one in value.items():
            yield from _find(one, path[1:], f"{name}[{key}]")
    elif isinstance(value, dict) and path[0] in value:
        inner = f"{name}[{path[0]}]" if name else path[0]
        if len(path) == 1:
            yield inner
        else:
            yield from _find(value[path[0]], path[1:], inner)
