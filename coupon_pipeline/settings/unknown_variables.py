"""Variables that look like settings and are none: a misspelled cap caps nothing."""

import difflib
import os

from pydantic_settings import DotEnvSettingsSource

from coupon_pipeline.settings.environment import Settings

_OURS = "COUPON_PIPELINE_"


def unknown_variables() -> dict[str, str | None]:
    """Names in the environment or in `.env` that begin as ours do, with the setting next to each.

    A variable that is empty counts as not set.
    """
    known = [name.upper() for name in Settings.model_fields]
    given = {**DotEnvSettingsSource(Settings).env_vars, **os.environ}
    names = {name.upper() for name, value in given.items() if value}
    return {
        name: next(iter(difflib.get_close_matches(name, known, n=1)), None)
        for name in sorted(names.difference(known))
        if name.startswith(_OURS)
    }
