"""Every fault at every kind of call: got over if it passes, named if it stays."""

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import TypeAlias

import pytest

from coupon_pipeline.domain.attachments import SubscriptionUpdate
from coupon_pipeline.domain.targets import DiscountEntry
from coupon_pipeline.domain.terms import Terms
from coupon_pipeline.sandbox.faults import ANSWER_KINDS, TRANSPORT_KINDS
from coupon_pipeline.stripe_api import (
    Job,
    StripeEdge,
    StripeFailureKept,
    StripeObjectBusy,
    StripeUnavailable,
)
from tests.stripe_api.accounts import StripeAccount

Operation: TypeAlias = Callable[[StripeEdge], object]


def read_coupon(edge: StripeEdge) -> object:
    """Read the one coupon, and raise what kept it from being read."""
    reads = edge.read_coupons(["there"])
    for error in reads.failed.values():
        raise error
    return reads.readings["there"]


def attach(update: SubscriptionUpdate, edge: StripeEdge) -> object:
    """Attach, and look when Stripe keeps a failure, as the next run would."""
    try:
        return edge.write_attachments(update)
    except StripeFailureKept:
        return edge.retrieve_subscription(update.target_id)


WAITING = {"slow", "refused", "hold_before", "hold_after"}
FAULTS = [kind for kind in (*TRANSPORT_KINDS, *ANSWER_KINDS["stripe"]) if kind not in WAITING]


@pytest.fixture(params=["read coupon", "create coupon", "change coupon", "read", "attach"])
def operation(request: pytest.FixtureRequest, account: StripeAccount) -> Operation:
    """Each thing that the edge does, on an account where it can be done."""
    account.make("coupon", {"id": "there", "percent_off": 10, "duration": "once"})
    subscription = account.subscription()
    terms = Terms.of(duration="once", percent_off=Decimal(10))
    update = SubscriptionUpdate(
        subscription, (DiscountEntry.granted("there"),), (), {"coupon_pipeline": "proof"}
    )
    operations: dict[str, Operation] = {
        "read coupon": read_coupon,
        "create coupon": lambda edge: edge.create_coupon("new", terms, {}),
        "change coupon": lambda edge: edge.update_coupon_metadata("there", {"a": "b"}),
        "read": lambda edge: edge.retrieve_subscription(subscription),
        "attach": partial(attach, update),
    }
    return operations[request.param]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_passes_is_got_over(
    fault: str, operation: Operation, account: StripeAccount, edge: StripeEdge
) -> None:
    """No single hiccup of the network may cost a run."""
    account.disturb(fault, times=1)

    operation(edge)

    coupons = {coupon.coupon_id: coupon for coupon in edge.list_coupons()}
    assert edge.calls.retries == 1
    assert coupons["there"].times_redeemed <= 1


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_stays_ends_with_a_name_and_a_remedy(
    fault: str, operation: Operation, account: StripeAccount, edge: StripeEdge
) -> None:
    """And without the SDK's exceptions, whose texts may hold bodies of answers."""
    account.disturb(fault, times=None)

    with pytest.raises(StripeUnavailable) as caught:
        operation(edge)

    assert caught.value.fix
    assert edge.calls.reads + edge.calls.writes <= 12


@pytest.mark.parametrize("fault", ["cut_before", "unavailable", "rate_limit:global-rate"])
def test_an_outage_ends_the_run_early(fault: str, account: StripeAccount, edge: StripeEdge) -> None:
    """Hundreds of requests into the void would take an hour to say the same."""
    account.disturb(fault, times=None)

    with pytest.raises(StripeUnavailable):
        edge.read_coupons([f"coupon-{number}" for number in range(300)])

    assert edge.calls.reads < 100


def test_one_object_that_always_fails_stops_no_other(
    account: StripeAccount, edge: StripeEdge
) -> None:
    """A poisoned record must not keep the others from their discounts."""
    for number in range(20):
        account.make("coupon", {"id": f"c-{number}", "percent_off": 10, "duration": "once"})
    account.disturb("server_error", times=None, path="/v1/coupons/c-7$")

    def write(coupon_id: str) -> str:
        return edge.update_coupon_metadata(coupon_id, {"a": "b"}).coupon.coupon_id

    jobs = [Job(f"c-{number}", partial(write, f"c-{number}")) for number in range(20)]
    outcomes = [outcome for batch in edge.run_all(jobs) for outcome in batch]

    failed = [outcome for outcome in outcomes if outcome.error is not None]
    assert len(outcomes) == 20
    assert [outcome.job.name for outcome in failed] == ["c-7"]
    assert isinstance(failed[0].error, StripeUnavailable)
    assert failed[0].error.may_have_happened
    assert not isinstance(failed[0].error, StripeObjectBusy)
