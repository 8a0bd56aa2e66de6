"""Checks of the exercises, one file a notebook: each judges an answer against what the learner measured."""

from tradespace.lesson.check.decision import bill as bill
from tradespace.lesson.check.decision import capstone as capstone
from tradespace.lesson.check.decision import drone_choice as drone_choice
from tradespace.lesson.check.decision import relaxed_limit as relaxed_limit
from tradespace.lesson.check.start import million as million
from tradespace.lesson.check.start import quickest as quickest
from tradespace.lesson.check.surface import dominates as dominates
from tradespace.lesson.check.surface import expendable as expendable
from tradespace.lesson.check.surface import hidden as hidden
from tradespace.lesson.check.surface import measure_again as measure_again
