"""Planning some orders while those before them are written.

Stripe takes no write on condition that nothing has changed since the read, so a target is read
shortly before it is written: few orders at a time, as many as the allowed rate reads in a few
seconds. So that no place of the rate is lost between them, the next are read and planned meanwhile.
"""

import math
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from coupon_pipeline.stripe_api import Limits

AHEAD = 2
"""So many portions are planned or being planned while another one is written: with one, nothing
would be on its way while a portion ends."""
SECONDS_OF_READING = 2.0
"""A target is written at most three times reading and writing a portion later: 12 seconds."""

Portion = TypeVar("Portion")
Planned = TypeVar("Planned")


def orders_in(limits: Limits) -> float:
    """How many orders a portion has; without limits, as many as one likes."""
    slowest = min(limits.rate("account"), limits.rate("endpoint"))
    return max(1.0, slowest * SECONDS_OF_READING)


def ahead_with(limits: Limits) -> int:
    """How many portions are planned ahead: none where no rate is to be filled."""
    return 0 if math.isinf(orders_in(limits)) else AHEAD


def planned_ahead(
    plan: Callable[[Portion], Planned], portions: Iterable[Portion], ahead: int
) -> Generator[Planned, None, None]:
    """What `plan` gives for each portion, in their order, and so many before they are asked for.

    Another thread plans one portion after the other. What `plan` raises is raised when its portion
    is due, so that those before it are done. Closing the generator ends the planning.
    """
    if not ahead:
        yield from map(plan, portions)
        return
    coming: deque[Future[Planned]] = deque()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="planning-ahead") as planner:
        try:
            for portion in portions:
                coming.append(planner.submit(plan, portion))
                if len(coming) > ahead:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()
        finally:
            for each in coming:
                each.cancel()
