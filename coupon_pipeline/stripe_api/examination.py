"""Are key and account ready? Everything that `doctor` asks Stripe, without writing anything.

Whether a key may write is asked by changing an object that cannot exist: a key without the
permission is refused for it (403), one that has it is told that there is no such object (404).
That Stripe looks at permissions before it looks for the object is its behaviour, not its promise.
So a 404 counts as a yes only where the same key was refused another object that cannot exist, by
the same method; where it never was, the answer is unknown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from itertools import chain

from coupon_pipeline.domain.diagnosis import Diagnosis, Subject, of_clock
from coupon_pipeline.stripe_api.account import Account, retrieve_account
from coupon_pipeline.stripe_api.client import StripeConnection
from coupon_pipeline.stripe_api.errors import StripeEdgeError, StripeRefused, StripeRejected
from coupon_pipeline.stripe_api.messages import Endpoint, Method, Request
from coupon_pipeline.stripe_api.permissions import KINDS, NEEDS, Access, Need, Permission
from coupon_pipeline.stripe_api.workers import Job

AREA = "Stripe"
NO_SUCH_ID = "coupon-pipeline-asks-for-permission"
_KEY = Subject("stripe.key", AREA, "key")
_ACCOUNT = Subject("stripe.account", AREA, "account")
_PERMISSIONS = Subject("stripe.permissions", AREA, "permissions of the key")
_BEYOND = Subject("stripe.beyond", AREA, "permissions beyond what is needed")
_CLOCK = Subject("stripe.clock", AREA, "clock")
_KEYS_PAGE = "in the Stripe dashboard, Developers, API keys"
_METHODS: tuple[Method, Method] = ("post", "get")
_COMPARE = f"Compare the key {_KEYS_PAGE}, with docs/permissions.md."


class _Told(Enum):
    """What a question told about a permission."""

    YES = "yes"
    REFUSED = "refused"
    NOT_REFUSED = "not refused"
    """There is no such object, which only a key with the permission learns, as far as we know."""
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Examination:
    """The lines about key and account, and who it is."""

    lines: tuple[Diagnosis, ...]
    account: Account | None


def examine(stripe: StripeConnection) -> Examination:
    """All lines about key and account. What cannot be asked is a line too: nothing is raised."""
    account: Account | None = None
    try:
        account = retrieve_account(stripe.send)
        named = f" ({account.name})" if account.name else ""
        about = _ACCOUNT.passed(f"The key belongs to {account.account_id}{named}.")
    except StripeRefused as error:
        about = _ACCOUNT.unknown(
            f"The key may not ask which account it belongs to. {error.message}",
            f"The pipeline works without it, but cannot tie the ledger to the account. {error.fix}",
        )
    except StripeEdgeError as error:
        failed = _ACCOUNT.failed(error.message, error.fix)
        return Examination((_key_line(stripe), failed, of_clock(_CLOCK, stripe.clock_skew)), None)
    lines = [_key_line(stripe), about]
    if stripe.key_is_restricted():
        lines += _restricted(stripe)
    else:
        lines.append(_PERMISSIONS.passed("A secret key has every permission."))
    lines.append(of_clock(_CLOCK, stripe.clock_skew))
    return Examination(tuple(lines), account)


def _key_line(stripe: StripeConnection) -> Diagnosis:
    mode = stripe.key_mode()
    money = "real money" if mode == "live" else "play money"
    if stripe.key_is_restricted():
        return _KEY.passed(f"A restricted key of {mode} mode: {money}.")
    return _KEY.passed(
        f"A secret key of {mode} mode: {money}.",
        "A restricted key can do no more than it needs: docs/permissions.md lists what to tick.",
    )


def _restricted(stripe: StripeConnection) -> list[Diagnosis]:
    asked: list[Endpoint] = [need.ask for need in NEEDS]
    for kind in KINDS:
        asked += [Endpoint(method, kind.path) for method in _METHODS]
    jobs = [Job(each.label, partial(_ask, stripe, each)) for each in dict.fromkeys(asked)]
    told: dict[str, _Told] = {}
    for outcome in chain.from_iterable(stripe.run_all(jobs)):
        told[outcome.job.name] = outcome.result or _Told.NOTHING
    telling = frozenset(
        each.method for each in asked if "{id}" in each.path and told[each.label] is _Told.REFUSED
    )
    needed = [_needed(need, told[need.ask.label], telling) for need in NEEDS]
    return [*needed, *_beyond(told, telling)]


def _ask(stripe: StripeConnection, endpoint: Endpoint) -> _Told:
    """One question; anything but an answer about the permission tells nothing."""
    by_id = "{id}" in endpoint.path
    params: Mapping[str, object] = {}
    if endpoint.method == "post":
        params = {"metadata": {"coupon_pipeline": ""}}  # takes a key away that is not there
    elif not by_id:
        params = {"limit": 1}
    try:
        stripe.send(Request(endpoint, NO_SUCH_ID if by_id else None, params))
    except StripeRefused:
        return _Told.REFUSED
    except StripeRejected as rejected:
        return _Told.NOT_REFUSED if rejected.is_missing else _Told.NOTHING
    except StripeEdgeError:
        return _Told.NOTHING
    return _Told.YES


def _needed(need: Need, told: _Told, telling: frozenset[str]) -> Diagnosis:
    """`telling` are the methods by which the key was refused what cannot exist."""
    permission = need.permission
    subject = Subject(f"stripe.permission.{permission.name}", AREA, permission.words)
    if told is _Told.YES or (told is _Told.NOT_REFUSED and need.ask.method in telling):
        return subject.passed(f"The key has it, {need.why}.")
    if told is _Told.REFUSED:
        said = f"The key lacks {permission.name}, {need.why}."
        fix = f"Give the key {permission.words} {_KEYS_PAGE}."
        return (
            subject.unknown(said, f"{fix} Runs do without it.")
            if need.optional
            else (subject.failed(said, fix))
        )
    why = (
        "Stripe refused this key nothing, so its answers do not tell"
        if told is _Told.NOT_REFUSED
        else "Stripe's answer does not tell"
    )
    return subject.unknown(f"{why} whether the key has it, {need.why}.", _COMPARE)


def _beyond(told: Mapping[str, _Told], telling: frozenset[str]) -> Sequence[Diagnosis]:
    """What the key could do that the pipeline never does."""
    found: list[Diagnosis] = []
    unclear: list[str] = []
    allowed = {need.permission.name for need in NEEDS}
    for kind in KINDS:
        had, is_told = _access(told, kind.path, telling)
        if not is_told:
            unclear.append(kind.resource)
        if had is None:
            continue
        permission = Permission(kind.resource, had, kind.base)
        if permission.name not in allowed:
            found.append(_too_many(permission))
    if not telling:
        return [
            _BEYOND.unknown(
                "Stripe refused this key nothing, so its answers do not tell what else it may do.",
                _COMPARE,
            )
        ]
    if found:
        rest = f"Stripe's answers do not tell of: {', '.join(unclear)}."
        return [*found, _BEYOND.unknown(rest, _COMPARE)] if unclear else found
    also = f" Not told: {', '.join(unclear)}." if unclear else ""
    asked = len(KINDS) - len(unclear)
    return [
        _BEYOND.passed(f"None of the {asked} other kinds of objects that were asked for.{also}")
    ]


def _access(
    told: Mapping[str, _Told], path: str, telling: frozenset[str]
) -> tuple[Access | None, bool]:
    """What the key may do with a kind of objects, and whether the answers tell it at all."""
    write, read = (told[Endpoint(method, path).label] for method in _METHODS)
    if write is _Told.NOT_REFUSED and "post" in telling:
        return "Write", True
    if read is _Told.NOT_REFUSED and "get" in telling:
        return "Read", True
    return None, _Told.REFUSED in (write, read)


def _too_many(permission: Permission) -> Diagnosis:
    subject = Subject(f"stripe.beyond.{permission.name}", AREA, permission.words)
    return subject.failed(
        f"The key has {permission.words}, which the pipeline never uses: whoever gets hold of the "
        "key can use it.",
        f"Set {permission.resource} to {_least(permission.base)} {_KEYS_PAGE}.",
    )


def _least(base: str) -> str:
    return "Read" if any(need.permission.base == base for need in NEEDS) else "None"
