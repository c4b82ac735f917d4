"""Thin: read through an edge, decide in `domain`, store in the ledger, report."""
