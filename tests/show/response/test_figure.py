from dataclasses import replace

import pytest
import tradespace as ts
from tradespace.show.common.style import LIMIT


@pytest.fixture(scope="module")
def served(service):
    return ts.simulate(service, ts.arrivals.Poisson(2000), ts.Batcher(16, 2), requests=5000, deadline_ms=6)


def test_each_stream_has_bars_and_a_histogram_on_one_axis(served):
    figure = ts.plot_response(served, replace(served, how="measured"))
    above, below, other, _ = figure.axes
    assert above.get_title(loc="left").startswith("simulated: small, fp32, eager, 1 thread; 2,000 requests/s at random")
    assert other.get_title(loc="left").startswith("measured: ")
    words = [label.get_text() for label in above.get_yticklabels()]
    assert [one.partition(" ")[0] for one in words] == ["p50", "p99"]
    # Three parts a percentile, and three a bin: the bars end where the percentiles are.
    ends = [bar.get_x() + bar.get_width() for bar in above.patches[2::3]]
    assert ends[0] == pytest.approx(served.response_at_ms(50))
    bins = [bar for bar in below.patches if bar.get_facecolor()[3] == 1]
    assert sum(bar.get_height() for bar in bins) == pytest.approx(100, abs=1)
    assert below.get_xlim() == other.get_xlim()
    assert any(line.get_color() == LIMIT and line.get_xdata()[0] == 6 for line in below.lines)


def test_a_server_past_saturation_says_why(service):
    saturated = ts.simulate(service, ts.arrivals.Poisson(1e6), ts.Batcher(8))
    (words,) = ts.plot_response(saturated).axes[1].texts
    assert words.get_text().replace("\n", " ") == saturated.reason


@pytest.mark.parametrize(("given", "got"), [((), "nothing"), (([1, 2],), "list")])
def test_what_is_no_stream_is_refused(given, got):
    with pytest.raises(ValueError, match=f"^served: wanted what ts.simulate or ts.serve returns; got {got}$"):
        ts.plot_response(*given)


def test_the_legend_names_what_is_drawn(service, served):
    alone = ts.simulate(service, ts.arrivals.Poisson(100), requests=5000)

    def named(*streams):
        return {text.get_text().partition(" and")[0] for text in ts.plot_response(*streams).legends[0].get_texts()} - {
            " "
        }

    assert named(alone) == {"queue", "service", "p50", "p99"}
    assert named(alone, served) == {"batch wait", "queue", "service", "p50", "p99", "deadline"}
