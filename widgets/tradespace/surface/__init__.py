"""Measurements -> one tidy table -> its frontier -> a choice. Nothing here needs torch, but `sweep`, which measures."""
