"""Latency against throughput and accuracy: everything that was measured."""
