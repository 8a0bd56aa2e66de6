"""What rounding to a few bits does to weights, and to accuracy."""
