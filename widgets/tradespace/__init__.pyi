from .config import Config, grid
from .lesson import check
from .lesson.claims import claims
from .lesson.ledger import Ledger
from .lesson.predict import Predict
from .lesson.preflight import preflight
from .lesson.report import report
from .measuring.classes import accuracy_by_class
from .measuring.compare import compare, compare_accuracy
from .measuring.describe import describe
from .measuring.engine import measure, waiting
from .measuring.measurement import Measurement
from .measuring.peaks import Peaks, peaks
from .serving import arrivals, scenarios, theory
from .serving.batcher import Batcher
from .serving.liars import liars
from .serving.live import serve, service_times
from .serving.loaded import with_max_rate
from .serving.max_rate import MaxRate, max_rate, max_rate_of
from .serving.scenarios import early_stopping
from .serving.served import Served
from .serving.service import ServiceTimes
from .serving.simulate import simulate
from .show.attainment.figure import plot_attainment
from .show.attainment.staircase import plot_attainment_3d
from .show.batch_curve.figure import plot_batch_curve
from .show.batch_curve.widget import BatchCurve
from .show.explorer.explorer import Explorer
from .show.latency.figure import plot_latency
from .show.latency.widget import LatencyMeter
from .show.load.figure import plot_load
from .show.pruning.figure import plot_pruning
from .show.pruning.widget import PruningLens
from .show.quantization.figure import plot_quantization
from .show.quantization.widget import QuantizationLens
from .show.response.figure import plot_response
from .show.serving.explorer import ServingExplorer
from .show.stills.by_class import plot_by_class
from .show.stills.confidence import plot_confidence
from .show.stills.parallel import plot_parallel
from .show.stills.pauses import plot_pauses
from .show.stills.predicted import plot_predicted
from .show.stills.roofline import plot_roofline
from .show.stills.search import plot_search
from .show.tradeoff.figure import plot_surface
from .show.verdict.figure import plot_verdict
from .show.verdict.widget import Verdict
from .surface.attainment import attainment
from .surface.columns import load_surface, save_surface
from .surface.confidence import frontier_confidence, worth_measuring
from .surface.derived import safe_speed_m_s, with_cost, with_products, with_safe_speed
from .surface.explain import explain
from .surface.frontier import pareto
from .surface.hypervolume import hypervolume
from .surface.objectives import Constraint, Objective, at_least, at_most, maximize, minimize
from .surface.predict import BatchFit, fit_batches
from .surface.recorded import list_recorded, load_recorded
from .surface.roofline import Roofline, roofline
from .surface.search import predicted
from .surface.solve import solve
from .surface.speedup import speedup
from .surface.store import Store
from .surface.sweep import sweep
from .tasks import Score, Task, list_tasks, load_task, scores

__version__: str

__all__ = [
    "BatchCurve",
    "BatchFit",
    "Batcher",
    "Config",
    "Constraint",
    "Explorer",
    "LatencyMeter",
    "Ledger",
    "MaxRate",
    "Measurement",
    "Objective",
    "Peaks",
    "Predict",
    "PruningLens",
    "QuantizationLens",
    "Roofline",
    "Score",
    "Served",
    "ServiceTimes",
    "ServingExplorer",
    "Store",
    "Task",
    "Verdict",
    "accuracy_by_class",
    "arrivals",
    "at_least",
    "at_most",
    "attainment",
    "check",
    "claims",
    "compare",
    "compare_accuracy",
    "describe",
    "early_stopping",
    "explain",
    "fit_batches",
    "frontier_confidence",
    "grid",
    "hypervolume",
    "liars",
    "list_recorded",
    "list_tasks",
    "load_recorded",
    "load_surface",
    "load_task",
    "max_rate",
    "max_rate_of",
    "maximize",
    "measure",
    "minimize",
    "pareto",
    "peaks",
    "plot_attainment",
    "plot_attainment_3d",
    "plot_batch_curve",
    "plot_by_class",
    "plot_confidence",
    "plot_latency",
    "plot_load",
    "plot_parallel",
    "plot_pauses",
    "plot_predicted",
    "plot_pruning",
    "plot_quantization",
    "plot_response",
    "plot_roofline",
    "plot_search",
    "plot_surface",
    "plot_verdict",
    "predicted",
    "preflight",
    "report",
    "roofline",
    "safe_speed_m_s",
    "save_surface",
    "scenarios",
    "scores",
    "serve",
    "service_times",
    "simulate",
    "solve",
    "speedup",
    "sweep",
    "theory",
    "waiting",
    "with_cost",
    "with_max_rate",
    "with_products",
    "with_safe_speed",
    "worth_measuring",
]
