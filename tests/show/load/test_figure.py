from dataclasses import replace

import pytest
import tradespace as ts
from tradespace.show.common.style import HERE, LIMIT


@pytest.fixture(scope="module")
def run(service):
    served = ts.simulate(service, ts.arrivals.Poisson(1500), ts.Batcher(8), requests=3000, seed=1)
    return replace(served, how="measured")


def colours_at(axes, x):
    return {line.get_color() for line in axes.lines if len(line.get_xdata()) == 2 and line.get_xdata()[0] == x}


def test_the_capacity_is_a_wall_and_the_rate_the_deadline_and_runs_are_marked(service, run):
    figure = ts.plot_load(service, ts.arrivals.Poisson(1000), ts.Batcher(8), runs=[run], deadline_ms=6, requests=2000)
    above, below = figure.axes
    assert HERE in colours_at(above, 1000) & colours_at(below, 1000)
    capacity = service.capacity_per_s(8)
    assert colours_at(above, capacity) == colours_at(below, capacity) != set()
    assert any(line.get_color() == LIMIT and line.get_ydata()[0] == 6 for line in above.lines)
    rate = len(run.arrived_s) / run.seconds
    dots = [line for line in above.lines if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in dots] == pytest.approx([rate, rate])
    assert [line.get_ydata()[0] for line in dots] == [run.response_at_ms(50), run.response_at_ms(99)]
    # p50 and p99 have error bars.
    assert len(above.containers) == 2
    names = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert {"measured", "deadline 6 ms", "capacity 4,444/s", "within the deadline", "server busy"} <= set(names)


def test_the_title_says_what_server_it_is_and_how_far_theory_is_off(service):
    figure = ts.plot_load(service, ts.arrivals.Poisson(1000), requests=1000)
    title = figure.axes[0].get_title(loc="left").replace("\n", " ")
    assert title.startswith(
        "small, fp32, eager, 1 thread; arrivals at random (Poisson); one request at a time; mean by"
    )
    assert "off the simulated mean" in title


def test_without_a_deadline_only_the_busy_share_is_drawn(service):
    _, below = ts.plot_load(service, ts.arrivals.Bursty(1000, 5), ts.Batcher(4), requests=1000).axes
    assert len([line for line in below.lines if len(line.get_xdata()) > 2]) == 1


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"batcher": ts.Batcher(32)}, "^batcher: wanted batches of at most 16, the largest that was measured"),
        ({"batcher": ts.Batcher(8, 9), "deadline_ms": 5}, "^batcher: wanted max_wait_ms below the deadline of 5 ms"),
        ({"deadline_ms": 0}, "^deadline_ms: wanted a finite number above 0"),
        ({"runs": [1.0]}, "^runs: wanted what ts.serve returns; got float$"),
    ],
)
def test_what_is_wrong_is_said_before_any_work(service, asked, words):
    with pytest.raises(ValueError, match=words):
        ts.plot_load(service, ts.arrivals.Poisson(1000), **asked)
