"""Which of two Configs is faster, and which more accurate."""
