"""The decisions: pure functions from rows to rows, without network, clock, database or Dagster."""
