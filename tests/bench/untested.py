"""A task for timing alone."""

from tradespace.tasks import Task


def untested(task: Task) -> Task:
    """`task` without its test set, so that no time goes into accuracy; inputs are those for calibration."""
    models = {name: task.load_model(name) for name in task.models}
    return Task.from_model(models, example=task.example, calibration=task.calibration, name=task.name)
