"""Measurements -> one tidy table -> its frontier -> a choice. Only `sweep`, which measures, needs torch."""
