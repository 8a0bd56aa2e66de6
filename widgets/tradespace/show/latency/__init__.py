"""The latencies of one measurement, as a histogram."""
