"""Latency against throughput and accuracy, for everything that was measured."""
