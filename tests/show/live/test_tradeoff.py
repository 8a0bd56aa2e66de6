import hashlib
import json
import re

import pytest
from tradespace.config import Config
from tradespace.show import tradeoff_chart
from tradespace.show.tradeoff_chart import TradeoffChart
from tradespace.show.view import view

SHOW = tradeoff_chart.HERE


@pytest.mark.parametrize("source", sorted(SHOW.glob("*.js")), ids=lambda path: path.name)
def test_the_bundle_was_built_from_its_source(source):
    lock = SHOW.parents[1] / "package-lock.json"
    expected = hashlib.sha256(source.read_bytes() + lock.read_bytes()).hexdigest()
    first_line = (SHOW / "bundle" / source.name).read_text().split("\n", 1)[0]
    assert re.search(r"[0-9a-f]{64}", first_line)[0] == expected, "run `make js`"


def test_the_bundle_fetches_nothing():
    bundle = (SHOW / "bundle" / "tradeoff_chart.js").read_text()
    assert not re.search(r"\bfetch\(|XMLHttpRequest|import\(|from\s*[\"']http", bundle)


def test_what_is_sent_has_no_nan(surface):
    chart = TradeoffChart()
    chart.show_surface(surface)
    chart.show_view(view(surface, Config("small", threads=1, batch_size=32)), 3.0, None)
    sent = json.dumps([chart.data, chart.state, chart.marks], allow_nan=False)
    assert "no calibration inputs" in sent
    assert chart.data["latency_p50_ms"][-1] is None


def test_the_limits_are_sent_as_asked(surface):
    chart = TradeoffChart()
    chart.show_view(view(surface, None), 2.5, 0.9)
    assert (chart.state["max_latency_ms"], chart.state["min_accuracy"]) == (2.5, 0.9)
