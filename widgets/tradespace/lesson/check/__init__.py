"""Checks of the exercises, one file a notebook: each judges an answer against what the learner measured."""
