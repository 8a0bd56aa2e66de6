"""Latency and throughput over batch size, the fitted line and its knee."""
