"""Still figures: matplotlib with seaborn's styling. One file a question that a surface is asked."""

from tradespace.show.figures.attainment import plot_attainment
from tradespace.show.figures.by_class import plot_by_class
from tradespace.show.figures.confidence import plot_confidence
from tradespace.show.figures.parallel import plot_parallel
from tradespace.show.figures.predicted import plot_predicted
from tradespace.show.figures.search import plot_search
from tradespace.show.figures.staircase import plot_attainment_3d
from tradespace.show.figures.surface import plot_surface

__all__ = [
    "plot_attainment",
    "plot_attainment_3d",
    "plot_by_class",
    "plot_confidence",
    "plot_parallel",
    "plot_predicted",
    "plot_search",
    "plot_surface",
]
