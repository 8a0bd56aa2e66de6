"""Tasks: model families, their labelled test data and their score. One file per task."""

from collections.abc import Callable

from tradespace.errors import choose
from tradespace.tasks import scores
from tradespace.tasks.fashion import fashion
from tradespace.tasks.glosses import glosses, glosses_bucketed
from tradespace.tasks.score import Score
from tradespace.tasks.task import Data, Task

__all__ = ["Data", "Score", "Task", "list_tasks", "load_task", "scores"]

TASKS: dict[str, Callable[[], Task]] = {
    "fashion": fashion,
    "glosses": glosses,
    "glosses-bucketed": glosses_bucketed,
}


def list_tasks() -> list[str]:
    """Names of the tasks that ship with the workbook.

    Examples
    --------
    >>> list_tasks()
    ['fashion', 'glosses', 'glosses-bucketed']
    """
    return list(TASKS)


def load_task(name: str) -> Task:
    """Load the shipped task `name`.

    Raises
    ------
    ValueError
        If there is no such task; the message lists the valid names.

    Examples
    --------
    >>> load_task("fashion")
    Task('fashion', models=resnet4, resnet4-distilled, resnet8, resnet8-distilled, resnet16, resnet32)
    """
    return TASKS[choose("task", name, TASKS)]()
