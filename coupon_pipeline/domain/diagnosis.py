"""What `doctor` says of one thing: passed, failed or unknown, with what to do."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum

LARGEST_CLOCK_SKEW = timedelta(seconds=60)
"""A signed login is good for three minutes, and days begin where our clock says so."""


class Status(StrEnum):
    """Whether something is as it has to be."""

    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """It could not be found out; `fix` says how it can."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One line of the table. `check` is stable, `area` and `subject` are for people."""

    check: str
    area: str
    subject: str
    status: Status
    message: str
    fix: str = ""

    def as_json(self) -> dict[str, str]:
        """A line of `doctor --json`."""
        return {
            "check": self.check,
            "area": self.area,
            "subject": self.subject,
            "status": self.status.value,
            "message": self.message,
            "fix": self.fix,
        }


@dataclass(frozen=True, slots=True)
class Subject:
    """What a line is about; its methods are what may be said of it."""

    check: str
    area: str
    subject: str

    def passed(self, message: str, fix: str = "") -> Diagnosis:
        """It is as it has to be. `fix` is what could still be better."""
        return self._says(Status.PASSED, message, fix)

    def failed(self, message: str, fix: str) -> Diagnosis:
        """It is not, and this is what to do."""
        return self._says(Status.FAILED, message, fix)

    def unknown(self, message: str, fix: str) -> Diagnosis:
        """It could not be found out, and this is how it can."""
        return self._says(Status.UNKNOWN, message, fix)

    def _says(self, status: Status, message: str, fix: str) -> Diagnosis:
        return Diagnosis(self.check, self.area, self.subject, status, message, fix)


def skew_of(date: str | None, sent: datetime, received: datetime) -> timedelta | None:
    """How far a service's clock is ahead of ours, by the header `Date` of its answer.

    The header has whole seconds and was written between sending and receiving, so that nothing
    within is a difference. None where there is no such header.
    """
    if date is None:
        return None
    try:
        told = parsedate_to_datetime(date)
    except ValueError:
        return None
    if told > received:
        return told - received
    return min(told - (sent - timedelta(seconds=1)), timedelta())


def of_clock(subject: Subject, skew: timedelta | None) -> Diagnosis:
    """What the difference between our clock and a service's means; None where none was told."""
    if skew is None:
        return subject.unknown(
            "No answer told the time.", "Run `coupon-pipeline doctor` again when it answers."
        )
    seconds = abs(skew.total_seconds())
    words = "behind" if skew > timedelta() else "ahead of"
    if abs(skew) <= LARGEST_CLOCK_SKEW:
        agrees = f"This machine's clock is {seconds:.0f} s {words} the service's."
        return subject.passed(agrees if seconds >= 1 else "The clocks agree to the second.")
    return subject.failed(
        f"This machine's clock is {seconds:.0f} s {words} the service's.",
        "Set the clock, for example by turning on time synchronisation (NTP).",
    )


def any_failed(lines: Iterable[Diagnosis]) -> bool:
    """Whether something needs somebody."""
    return any(line.status is Status.FAILED for line in lines)
