"""What a learner guessed, measured and answered, and the cards that ask."""
