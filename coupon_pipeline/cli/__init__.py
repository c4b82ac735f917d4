"""The command line: one module a command, and nothing heavy imported before it is needed."""

from coupon_pipeline.cli.main import main, run

__all__ = ["main", "run"]
