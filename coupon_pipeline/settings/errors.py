"""What is wrong with a setting, and how to put it right."""


class SettingsError(Exception):
    """A setting is missing or wrong. `variable` is the one to change, `fix` says how."""

    code = "settings.invalid"

    def __init__(self, variable: str, message: str, fix: str) -> None:
        super().__init__(f"{variable} {message} {fix}")
        self.variable = variable
        self.message = f"{variable} {message}"
        self.fix = fix
