"""The one way to a terminal: what people typed in Salesforce is shown and never obeyed."""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from coupon_pipeline.domain.text_as_data import printable


class Terminal(Console):
    """A console that leaves out whatever in a text would steer it.

    rich writes its own colours beside the texts, so that only those of others are left out.
    """

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """The parts of what is shown, each without control characters but its line ends."""
        for part in super().render(renderable, options):
            if part.control:
                yield part
            else:
                lines = part.text.split("\n")
                yield part._replace(text="\n".join(printable(line) for line in lines))
