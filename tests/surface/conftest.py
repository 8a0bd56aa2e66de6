from concurrent.futures import Executor, Future

import pytest
import torch


class CountsSlices(Executor):
    """Runs each request at once, here; counts slices, and can be interrupted like a kernel."""

    def __init__(self):
        self.slices = 0
        self.interrupted = lambda: False

    def submit(self, function, /, *args, **kwargs):
        if function.__name__ == "run_slice":
            if self.interrupted():
                raise KeyboardInterrupt
            self.slices += 1
        future = Future()
        future.set_result(function(*args, **kwargs))
        return future


@pytest.fixture
def executor_that_counts():
    threads = torch.get_num_threads()
    yield CountsSlices()
    torch.set_num_threads(threads)
