"""The words of an alert: which connection, which run, what is wrong, what to do."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from coupon_pipeline.automation.alert_state import CHECK, News, Trouble
from coupon_pipeline.automation.run_endings import days_in_words
from coupon_pipeline.settings import Settings

_LONGEST = 1000
"""Of a sentence: what a service answered may be a page."""
_RUNS_TOLD = 3


@dataclass(frozen=True, slots=True)
class Message:
    """One message about all that is new."""

    connection: str | None
    news: tuple[News, ...]
    dagster_url: str | None

    @classmethod
    def of(cls, settings: Settings, news: Sequence[News]) -> "Message":
        """About one connection."""
        url = settings.coupon_pipeline_dagster_url
        return cls(settings.connection, tuple(news), url.rstrip("/") if url else None)

    @property
    def key(self) -> str:
        """The same for the same news, so that a receiver can tell a repetition."""
        told = [
            f"{n.kind} {n.code} {n.since.isoformat()} {[t.run_id for t in n.troubles]}"
            for n in self.news
        ]
        return hashlib.sha256("|".join([self.connection or "", *told]).encode()).hexdigest()[:32]

    @property
    def title(self) -> str:
        """One line."""
        first = min(self.news, key=lambda n: n.kind == "recovered")
        more = len(self.news) - 1
        return f"{self._whose()}: {_headline(first)}" + (f" (and {more} more)" if more else "")

    @property
    def text(self) -> str:
        """For people, as plain text."""
        return "\n\n".join("\n".join(self._paragraph(each)) for each in self.news)

    def as_json(self) -> dict[str, object]:
        """For programs."""
        return {
            "id": self.key,
            "connection": self.connection,
            "title": self.title,
            "text": self.text,
            "alerts": [
                {
                    "kind": each.kind,
                    "code": each.code,
                    "since": _time(each.since),
                    "runs": [
                        {
                            "run_id": trouble.run_id,
                            "run": self._run(trouble),
                            "days": None
                            if trouble.days is None
                            else [day.isoformat() for day in trouble.days],
                            "started_by": trouble.source,
                            "message": trouble.message[:_LONGEST],
                            "fix": trouble.remedy,
                        }
                        for trouble in each.troubles
                    ],
                }
                for each in self.news
            ],
        }

    def _whose(self) -> str:
        return "coupon_pipeline" + (f" [{self.connection}]" if self.connection else "")

    def _paragraph(self, news: News) -> list[str]:
        lines = [f"{self._whose()}: {_headline(news)}."]
        if news.kind == "recovered":
            return [*lines, f"It began at {_time(news.since)}."]
        latest = news.troubles[0]
        lines += [latest.message[:_LONGEST], f"What to do: {latest.remedy}"]
        lines += [
            f"Run over {days_in_words(each.days)}, started by {each.source}: {self._run(each)}"
            for each in news.troubles[:_RUNS_TOLD]
        ]
        more = len(news.troubles) - _RUNS_TOLD
        return [*lines, f"{more} more runs like these."] if more > 0 else lines

    def _run(self, trouble: Trouble) -> str:
        """Its page, where it is known."""
        if self.dagster_url is None:
            return trouble.run_id
        return f"{self.dagster_url}/runs/{trouble.run_id}"


def _headline(news: News) -> str:
    is_check = news.code.startswith(CHECK)
    name = news.code.removeprefix(CHECK).replace("_", " ")
    if news.kind == "recovered":
        return f'check "{name}" passes again' if is_check else f"{news.code} is over"
    still = "still " if news.kind == "still_failing" else ""
    return f'check "{name}" {still}does not pass' if is_check else f"runs {still}fail: {news.code}"


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M UTC")
