"""What stops a stage, as Dagster shows it: code, sentence and remedy instead of a stack alone."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from coupon_pipeline.assets.run import RunStopped
from coupon_pipeline.domain.mapping import MappingError
from coupon_pipeline.ledger import LedgerError
from coupon_pipeline.salesforce import SalesforceError
from coupon_pipeline.settings import SettingsError
from coupon_pipeline.stripe_api import StripeEdgeError

CODE = "code"
REMEDY = "what_to_do"
"""Keys of a failure's metadata, which alerts read."""

_KNOWN = (SalesforceError, StripeEdgeError, LedgerError, SettingsError, MappingError, RunStopped)


@contextmanager
def told_as_failure() -> Iterator[None]:
    """Turn an error that has a code into a failure of the step. Anything else stays as it is.

    Raises:
        dg.Failure: with the error as its cause.
    """
    try:
        yield
    except _KNOWN as error:
        raise dg.Failure(
            error.message,
            metadata={CODE: error.code, REMEDY: error.fix},
            allow_retries=False,
        ) from error
