from concurrent.futures import Executor, Future

import pytest


class InlineExecutor(Executor):
    """Stands in for the measuring process: runs each request at once, here, and keeps a list of them."""

    def __init__(self):
        self.requests = []

    def submit(self, function, /, *args, **kwargs):
        self.requests.append((function.__name__, *args))
        future = Future()
        future.set_result(function(*args, **kwargs))
        return future


@pytest.fixture
def inline():
    return InlineExecutor()
