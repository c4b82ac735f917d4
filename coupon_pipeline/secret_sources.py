"""Secrets from the environment, from a file, or from a command that prints them.

For each secret variable there are two more, `..._FILE` and `..._COMMAND`, and one of the three may
be set. A file is what container platforms mount; a command is how password managers give a secret
out. Neither is read before the secret is needed, and neither its text nor what the command says on
its standard error is ever shown.
"""

import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

COMMAND_SECONDS = 60
_LARGEST = 65_536
"""No key, token or password is longer; a larger file is the wrong one."""


class SecretUnreadableError(Exception):
    """A secret cannot be had. Says which variable and why, never what was read."""

    def __init__(self, variable: str, message: str, fix: str) -> None:
        super().__init__(f"{variable} {message} {fix}")
        self.variable = variable
        self.message = message
        self.fix = fix


@dataclass(frozen=True, slots=True)
class SecretSource:
    """Where one secret comes from."""

    variable: str
    value: SecretStr | None
    file: Path | None
    command: str | None

    @property
    def is_set(self) -> bool:
        """Whether any of the three variables is set."""
        return any(each is not None for each in (self.value, self.file, self.command))

    def read(self) -> SecretStr | None:
        """The secret without line ends around it; None where no variable is set.

        Raises:
            SecretUnreadableError: two variables are set, or the secret cannot be had.
        """
        given = [
            name
            for name, each in (
                (self.variable, self.value),
                (f"{self.variable}_FILE", self.file),
                (f"{self.variable}_COMMAND", self.command),
            )
            if each is not None
        ]
        if len(given) > 1:
            raise SecretUnreadableError(
                given[0], f"is set, and so is {given[1]}.", "Keep one of them."
            )
        if self.file is not None:
            return self._from_file(self.file)
        if self.command is not None:
            return self._from_command(self.command)
        return self.value

    def _from_file(self, file: Path) -> SecretStr:
        variable = f"{self.variable}_FILE"
        try:
            size = file.stat().st_size
            read = SecretStr(file.read_text(encoding="utf-8") if size <= _LARGEST else "")
        except (OSError, UnicodeDecodeError) as error:
            reason = type(error).__name__
        else:
            return self._trimmed(read, variable)
        raise SecretUnreadableError(
            variable,
            f"names {file}, which cannot be read ({reason}).",
            "Give the path of a text file that holds the secret and nothing else.",
        )

    def _from_command(self, command: str) -> SecretStr:
        variable = f"{self.variable}_COMMAND"
        try:
            words = shlex.split(command)
            printed, status = _run(words)
        except (OSError, ValueError, IndexError) as error:
            reason = f"cannot be run ({type(error).__name__})"
        except subprocess.TimeoutExpired:
            reason = f"gave no answer within {COMMAND_SECONDS} seconds"
        else:
            if status == 0:
                return self._trimmed(printed, variable)
            reason = f"ended with status {status}"
        raise SecretUnreadableError(
            variable,
            f"names a command that {reason}.",
            "Run it by hand: it must print the secret on standard output and nothing else.",
        )

    def _trimmed(self, read: SecretStr, variable: str) -> SecretStr:
        trimmed = SecretStr(read.get_secret_value().strip("\r\n"))
        if not trimmed.get_secret_value().strip():
            raise SecretUnreadableError(
                variable,
                "gives no secret: it is empty, or too long for one.",
                "It must give the secret and nothing else.",
            )
        return trimmed


def _run(words: list[str]) -> tuple[SecretStr, int]:
    """What the command printed, and its exit status. No shell comes between."""
    done = subprocess.run(  # noqa: S603 - the user's own command, as the user set it
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=COMMAND_SECONDS,
        check=False,
        text=True,
    )
    return SecretStr(done.stdout), done.returncode
