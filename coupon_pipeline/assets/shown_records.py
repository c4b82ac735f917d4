"""Records in the tables of Dagster's pages: called by their names, and linked to where they are."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from coupon_pipeline.assets.markdown import table
from coupon_pipeline.assets.record_links import RecordLinks
from coupon_pipeline.assets.run import PREVIEW_ROWS
from coupon_pipeline.domain.problems import RecordNames
from coupon_pipeline.domain.text_as_data import markdown_text
from coupon_pipeline.ledger import Transaction
from coupon_pipeline.ledger.problems import NotedProblem, read_names
from coupon_pipeline.ledger.rows import Cell, text_of

IN_DAGSTER = (
    "Here, the job `sync` for the days of the order stands for the command `coupon-pipeline sync`: "
    "`--order` is `order_ids` and `--replace-attached` is `replace_attached`, under "
    "`resources: options: config:` in its launchpad. Scheduled runs try again by themselves what "
    "waits."
)
"""Under a table of problems, whose remedies name commands: a page's reader may have no terminal."""

_SALESFORCE_ID = re.compile(r"[a-zA-Z0-9]{15}[A-Z0-5]{3}")


@dataclass(frozen=True, slots=True)
class ShownRecords:
    """What the records of some tables are called, and where their pages are."""

    links: RecordLinks | None
    names: RecordNames

    @classmethod
    def read(
        cls,
        tx: Transaction,
        links: RecordLinks | None,
        rows: Iterable[Sequence[Cell]],
        problems: Iterable[NotedProblem],
    ) -> "ShownRecords":
        """For the cells of these rows, and for what these problems are about."""
        ids = {text_of(cell) or "" for row in rows for cell in row}
        ids |= {each or "" for p in problems for each in (p.order_id, p.quote_coupon_id)}
        found = sorted(each for each in ids if _SALESFORCE_ID.fullmatch(each))
        return cls(links, read_names(tx, [(each, each, each) for each in found]))

    def table(self, columns: Sequence[str], rows: Sequence[tuple[Cell, ...]], count: int) -> str:
        """The first rows as Markdown, each id as a link under the record's name."""
        shown = [
            [
                self.cell(text_of(cell) or "", column)
                for column, cell in zip(columns, row, strict=True)
            ]
            for row in rows
        ]
        return table(columns, shown, PREVIEW_ROWS, count)

    def problem_table(self, problems: Sequence[NotedProblem], targets: dict[str, str]) -> str:
        """What is wrong and what to do first: a narrow screen cuts off the rest."""
        rows = []
        for problem in problems[:PREVIEW_ROWS]:
            target = targets.get(problem.order_id or "")
            records = (problem.order_id, problem.quote_coupon_id, target)
            rows.append(
                [
                    f"**{markdown_text(problem.code)}** {markdown_text(problem.message)}",
                    markdown_text(problem.fix),
                    ", ".join(self.cell(each) for each in records if each),
                ]
            )
        columns = ("problem", "what to do", "records")
        return f"{table(columns, rows, PREVIEW_ROWS, len(problems))}\n\n{IN_DAGSTER}"

    def cell(self, text: str, column: str = "") -> str:
        """A text as it is; an id under the name of its record, linked to its page."""
        address = self._address(text, column)
        shown = markdown_text(self._called(text))
        return shown if address is None else f"[{shown}]({address})"

    def _called(self, text: str) -> str:
        names = self.names
        for found in (names.orders, names.order_items, names.quote_coupons):
            if text in found:
                return found[text]
        return text

    def _address(self, text: str, column: str) -> str | None:
        if self.links is None or not text:
            return None
        if _SALESFORCE_ID.fullmatch(text):
            return self.links.of_record(text)
        if column == "Stripe coupon":
            return self.links.of_coupon(text)
        return self.links.of_target(text)
