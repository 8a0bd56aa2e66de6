"""The attainment landscape: the best accuracy within a latency and at a throughput."""
