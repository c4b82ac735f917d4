"""Collected by `make browser` only: it needs a browser, and about two minutes."""

import os

collect_ignore_glob = [] if os.environ.get("COUPON_PIPELINE_BROWSER") else ["test_*.py"]
