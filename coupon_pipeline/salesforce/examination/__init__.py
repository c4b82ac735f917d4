"""Is this org ready? Everything that `doctor` asks Salesforce, without writing anything."""

from coupon_pipeline.salesforce.examination.access import missing_access
from coupon_pipeline.salesforce.examination.examiner import (
    Examination,
    Wanted,
    examine,
)

__all__ = ["Examination", "Wanted", "examine", "missing_access"]
