"""A callable -> a Measurement: the timing loop, its statistics, device clocks, accuracy, the worker."""
