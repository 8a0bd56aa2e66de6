"""What the lenses show, as numbers: weights, levels, channels, and what they leave of accuracy and latency."""
