"""What a command of the command line left behind."""

import json
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Ran:
    """What a command left."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, object]:
        """The one JSON document on standard output."""
        parsed = json.loads(self.out)
        assert isinstance(parsed, dict)
        return parsed

    @property
    def error_code(self) -> object:
        """The code of the error that the document tells."""
        error = self.document["error"]
        assert isinstance(error, dict)
        return error["code"]


Command = Callable[..., Ran]
