"""The one way to a terminal: what people typed in Salesforce is shown and never obeyed."""

import json
from collections.abc import Iterable, Mapping

import click
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


def say(text: str, *, err: bool = False) -> None:
    """Plain lines, each without characters that would steer a terminal."""
    click.echo("\n".join(printable(line) for line in text.split("\n")), err=err)


def say_document(document: Mapping[str, object]) -> None:
    """The one JSON document of a command. Whatever would steer a terminal is escaped in it."""
    click.echo(json.dumps(document).replace("\x7f", "\\u007f"))
