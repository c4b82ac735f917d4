"""`python -m coupon_pipeline.cli`, for a Python that is not on the path."""

from coupon_pipeline.cli.main import run

run()
