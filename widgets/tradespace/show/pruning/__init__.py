"""What pruning does to weights, to accuracy and to latency."""
