"""What was read, decided and written, in one DuckDB file that only this package opens."""

from coupon_pipeline.ledger.connection import LedgerBusy, LedgerError
from coupon_pipeline.ledger.ledger import Identity, Ledger
from coupon_pipeline.ledger.transaction import Transaction

__all__ = ["Identity", "Ledger", "LedgerBusy", "LedgerError", "Transaction"]
