"""Still figures: matplotlib with seaborn's styling. One file a question that a surface is asked."""

from tradespace.show.figures.attainment import plot_attainment
from tradespace.show.figures.batch_curve import plot_batch_curve
from tradespace.show.figures.by_class import plot_by_class
from tradespace.show.figures.confidence import plot_confidence
from tradespace.show.figures.latency import plot_latency
from tradespace.show.figures.parallel import plot_parallel
from tradespace.show.figures.predicted import plot_predicted
from tradespace.show.figures.pruning import plot_pruning
from tradespace.show.figures.quantization import plot_quantization
from tradespace.show.figures.search import plot_search
from tradespace.show.figures.staircase import plot_attainment_3d
from tradespace.show.figures.surface import plot_surface
from tradespace.show.figures.verdict import plot_verdict

__all__ = [
    "plot_attainment",
    "plot_attainment_3d",
    "plot_batch_curve",
    "plot_by_class",
    "plot_confidence",
    "plot_latency",
    "plot_parallel",
    "plot_predicted",
    "plot_pruning",
    "plot_quantization",
    "plot_search",
    "plot_surface",
    "plot_verdict",
]
