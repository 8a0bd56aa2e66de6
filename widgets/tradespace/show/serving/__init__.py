"""The ServingExplorer: sliders and live charts over a simulated server, and real runs beside it."""
