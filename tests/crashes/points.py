"""Where a run can be killed: around each request and around each commit to the ledger."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from coupon_pipeline.sandbox.calls import WRITING_METHODS, ServiceName

Moment: TypeAlias = Literal["before_request", "after_request", "before_commit", "after_commit"]


@dataclass(frozen=True, slots=True)
class Point:
    """The `number`-th request to a service, or commit, of a run, and the side of it.

    Before a request nothing is done; after it, the work is done and nobody has the answer.
    """

    moment: Moment
    number: int
    service: ServiceName | None = None

    def __str__(self) -> str:
        where = "commit" if self.service is None else f"{self.service} request"
        return f"{self.moment.partition('_')[0]} {where} {self.number}"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that an undisturbed run did, in its order."""

    service: ServiceName | None
    """None for a commit."""
    number: int
    writes: bool


def is_write(method: str, path: str) -> bool:
    """Whether a request changes something; a composite of queries is a POST that does not."""
    return method in WRITING_METHODS and not path.endswith("/composite")


def points_of(events: Iterable[Event], *, every: bool) -> list[Point]:
    """Both sides of each event; unless `every`, of the writes and of the commits next to them."""
    timeline = list(events)
    chosen = []
    for place, event in enumerate(timeline):
        near = timeline[max(0, place - 1) : place + 2]
        wanted = event.writes if event.service is not None else any(each.writes for each in near)
        if every or wanted:
            chosen.append(event)
    return [point for event in chosen for point in _both_sides(event)]


def _both_sides(event: Event) -> tuple[Point, Point]:
    if event.service is None:
        return Point("before_commit", event.number), Point("after_commit", event.number)
    return (
        Point("before_request", event.number, event.service),
        Point("after_request", event.number, event.service),
    )
