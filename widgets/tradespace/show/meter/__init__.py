"""Measurements while they come in: bins, percentiles, a verdict in words, and the thread that waits for them."""
