"""Checks of the exercises, one file per notebook: each judges an answer against what the learner measured."""

from tradespace.lesson.check.batching import in_flight as in_flight
from tradespace.lesson.check.batching import largest_batch as largest_batch
from tradespace.lesson.check.batching import near_peak as near_peak
from tradespace.lesson.check.batching import watt_hours as watt_hours
from tradespace.lesson.check.compression import faster_pruning as faster_pruning
from tradespace.lesson.check.compression import fewest_bits as fewest_bits
from tradespace.lesson.check.compression import quantization_step as quantization_step
from tradespace.lesson.check.compression import real_losses as real_losses
from tradespace.lesson.check.decision import bill as bill
from tradespace.lesson.check.decision import capstone as capstone
from tradespace.lesson.check.decision import drone_choice as drone_choice
from tradespace.lesson.check.decision import relaxed_limit as relaxed_limit
from tradespace.lesson.check.latency import cutoff as cutoff
from tradespace.lesson.check.latency import enough_calls as enough_calls
from tradespace.lesson.check.latency import promise as promise
from tradespace.lesson.check.latency import typical as typical
from tradespace.lesson.check.own_model import batch_axis as batch_axis
from tradespace.lesson.check.own_model import changed_answers as changed_answers
from tradespace.lesson.check.own_model import quickest_agreeing as quickest_agreeing
from tradespace.lesson.check.own_model import refusing as refusing
from tradespace.lesson.check.start import million as million
from tradespace.lesson.check.start import quickest as quickest
from tradespace.lesson.check.surface import dominates as dominates
from tradespace.lesson.check.surface import hidden as hidden
from tradespace.lesson.check.surface import settled as settled
from tradespace.lesson.check.surface import volume_lost as volume_lost
