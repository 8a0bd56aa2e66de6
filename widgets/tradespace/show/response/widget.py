"""The live chart of responses: percentiles in their three parts, and a histogram."""

from collections.abc import Sequence
from typing import Any

import anywidget
import traitlets

from tradespace.serving.served import Served
from tradespace.show.common.assets import assets
from tradespace.show.common.json import number
from tradespace.show.response.numbers import PARTS, Marked, distribution, in_time, in_words, marked, reach

SHORT = {"simulated": "", "measured": "measured "}


class ResponseChart(anywidget.AnyWidget):
    """Percentiles of responses and their histogram, of a simulated stream and, laid over it, a measured one.

    Examples
    --------
    >>> import numpy as np
    >>> import tradespace as ts
    >>> chart = ResponseChart()
    >>> chart.show([ts.simulate(ts.ServiceTimes({1: np.array([2.0])}), ts.arrivals.Poisson(250))])
    >>> [one["text"] for one in chart.state["streams"][0]["percentiles"]]
    ['p50 2.02 ms (2 to 2.08)', 'p99 8.82 ms (8.49 to 9.23)']
    """

    _esm, _css = assets("response")
    state: "traitlets.Dict[str, Any]" = traitlets.Dict({"streams": [], "why": "", "label": ""}).tag(sync=True)

    def show(self, streams: Sequence[Served]) -> None:
        """Draw these streams, the first one as bars; if the first has no numbers, say why."""
        first = streams[0]
        if first.failure or not len(first):
            self.explain(first.reason or "no request was served")
            return
        drawn = [one for one in streams if len(one)]
        reach_ms = reach(drawn)
        self.state = {
            "streams": [_stream(one, reach_ms) for one in drawn],
            "reach_ms": reach_ms,
            "deadline_ms": number(first.deadline_ms),
            "in_time": in_time(first),
            "colours": PARTS,
            "why": "",
            "label": ". ".join(map(in_words, drawn)),
        }

    def explain(self, why: str) -> None:
        """Say why there is nothing to draw."""
        self.state = {"streams": [], "why": why, "label": why}


def _stream(served: Served, reach_ms: float) -> dict[str, Any]:
    counted = distribution(served, reach_ms)
    return {
        "how": served.how,
        "percentiles": [_percentile(one, served.how) for one in marked(served)],
        "edges_ms": counted.edges_ms.tolist(),
        "shares": counted.shares.tolist(),
        "slower": counted.slower,
    }


def _percentile(one: Marked, how: str) -> dict[str, Any]:
    ends = {name: number(getattr(one, name)) for name in ("value_ms", "low_ms", "high_ms")}
    return {
        **ends,
        "parts_ms": [number(part) for part in one.parts_ms],
        "text": f"{SHORT[how]}{one.text}",
        "apart": one.apart,
    }
