import json
import math
import threading
from dataclasses import replace

import numpy as np
import pytest
import tradespace as ts
from tradespace.measuring.measurement import Failure
from tradespace.serving.served import Served
from tradespace.show.serving import explorer as module
from tradespace.show.serving.settings import CHOSEN

OTHER = ts.Config("large", threads=1)


class FakeJobs:
    """Stands in for the thread and the measuring process: a test says when what comes."""

    def __init__(self, task, lock, schedule, seconds, executor, *, timed, ran, changed, pauses):
        self.timed, self.ran, self.changed, self.pauses = timed, ran, changed, pauses
        self.measuring, self.serving, self.words, self.share = None, None, "", 0.0
        self.asked = []

    @property
    def busy(self):
        return self.measuring is not None or self.serving is not None

    def measure(self, config, most):
        if config != self.measuring:
            self.asked.append((config, most))
            self.measuring, self.words = config, "measuring"

    def serve(self, setting):
        self.serving, self.words = setting, "serving"

    def cancel(self):
        self.end("stopped")

    stop = cancel

    def end(self, words=""):
        self.measuring = self.serving = None
        self.words = words
        self.changed()

    def finish(self, found):
        config = self.measuring
        self.timed(config, found)
        self.end()

    def come_back(self, served):
        self.ran(self.serving, served)
        self.end()


@pytest.fixture
def opened(monkeypatch, task):
    """(service times, ...) -> a ServingExplorer; all are closed at the end."""
    monkeypatch.setattr(module, "Jobs", FakeJobs)
    monkeypatch.setattr(module, "REQUESTS", 3000)
    some = []

    def open_(*services, **options):
        some.append(ts.ServingExplorer(task, services or None, **options))
        return some[-1]

    yield open_
    for one in some:
        one.close()


@pytest.fixture
def explorer(opened, service):
    one = opened(service)
    one._curves.wait()
    return one


def times(config, factor=1.0):
    samples = {size: factor * (1 + 0.1 * size) * np.linspace(0.9, 1.1, 41) for size in (1, 2, 4, 8, 16)}
    return ts.ServiceTimes(samples, config=config, task="toy")


def tiles(explorer):
    return {tile["label"]: tile["value"] for tile in explorer.tiles.tiles}


def check_sent(explorer):
    """What goes to the browser is JSON."""
    for widget in (explorer.response, explorer.load, explorer.tiles, explorer.controls, explorer.bar):
        state = {name: getattr(widget, name) for name in widget.keys if not name.startswith(("_", "layout", "tab"))}
        json.dumps({name: one for name, one in state.items() if name != "comm"}, allow_nan=False)


def test_others_are_measured_as_those_that_are_given(opened, service):
    paused = replace(service, paused_ms={1.0: service.samples_ms})
    assert [opened(*given)._jobs.pauses for given in ((), (service,), (paused,))] == [True, False, True]


def test_it_opens_on_what_is_known_with_everything_drawn(explorer):
    assert explorer._jobs.asked == []
    assert explorer.served.status == "ok"
    assert "?" not in tiles(explorer).values()
    assert explorer.load.state["now"]["p99_ms"] == explorer.served.response_at_ms(99)
    assert len(explorer.load.load["rates_per_s"]) > 10
    assert not explorer.load.state["stale"]
    assert explorer.response.state["streams"][0]["how"] == "simulated"
    assert explorer.bar.disabled == ["cancel", "redo", "undo"]
    check_sent(explorer)


def test_a_move_changes_all_at_once_and_says_what_it_did(explorer):
    before = explorer.response.state, explorer.load.state, tiles(explorer)
    explorer.controls.move(wait_ms=5.0)
    assert all(
        one != other
        for one, other in zip(before, (explorer.response.state, explorer.load.state, tiles(explorer)), strict=True)
    )
    assert explorer.tiles.sentence.startswith("max wait 5 ms here: p50 from ")
    check_sent(explorer)


def test_a_rate_or_a_deadline_needs_no_other_hockey_stick(explorer):
    load = explorer.load.load
    explorer.controls.move(rate_per_s=explorer.controls.options("rate_per_s")[10], deadline_ms=2.0)
    assert explorer.load.load is load
    assert explorer.load.state["deadline_ms"] == 2
    assert not explorer.load.state["stale"]


def test_another_server_has_its_own_hockey_stick_soon_and_again_at_once(explorer):
    first = explorer.load.load
    explorer.controls.move(batch=2)
    assert explorer.load.state["stale"]
    explorer._curves.wait()
    assert not explorer.load.state["stale"]
    assert explorer.load.load != first
    explorer.controls.move(batch=8)
    assert not explorer.load.state["stale"]
    assert explorer.load.load == first


def test_the_same_setting_gives_the_same_numbers(explorer):
    state = explorer.response.state
    explorer.controls.move(dispersion=10.0)
    explorer.undo()
    assert explorer.response.state == state


@pytest.mark.parametrize("end", [0, -1])
def test_every_control_survives_both_ends(explorer, end):
    for name in explorer.controls.chosen:
        if name not in CHOSEN:
            explorer.controls.move(**{name: explorer.controls.options(name)[end]})
            check_sent(explorer)
    explorer._curves.wait()
    # The last batch size is that of models that are still to be measured.
    assert (explorer.served is None) == (explorer.setting.batch > explorer.service.largest)


def test_a_wait_beyond_the_deadline_is_simulated_and_all_who_wait_so_long_are_late(explorer):
    explorer.controls.move(wait_ms=20.0, deadline_ms=2.0, rate_per_s=explorer.controls.options("rate_per_s")[0])
    # Few come just before a batch starts.
    assert explorer.served.in_time < 0.01
    assert tiles(explorer)["p50"] == f"{explorer.served.response_at_ms(50):.3g}"


def test_past_saturation_it_says_why(explorer):
    explorer.controls.move(rate_per_s=explorer.controls.options("rate_per_s")[-1])
    assert explorer.served.status == "saturated"
    assert "the queue would grow forever" in explorer.tiles.sentence
    assert explorer.response.state["streams"] == []
    assert explorer.load.state["now"] is None
    assert explorer.load.state["why"] == ""
    assert "run" not in explorer.bar.disabled
    check_sent(explorer)


def test_where_p99_is_not_known_more_requests_follow(explorer):
    explorer.controls.move(
        dispersion=10.0, rate_per_s=2000.0 if 2000.0 in explorer.controls.options("rate_per_s") else 1900.0
    )
    explorer._longer.wait()
    few = len(explorer._simulate(replace(explorer.setting, deadline_ms=0.0), 3000))
    assert len(explorer.served) == module.MORE * few
    assert explorer.served.deadline_ms == explorer.setting.deadline_ms


def test_a_click_on_the_hockey_stick_goes_to_that_rate(explorer):
    explorer.load.selected = 1234.0
    assert abs(explorer.setting.rate_per_s / 1234 - 1) < 0.1
    assert explorer.load.selected is None


def test_a_drag_is_one_move_that_is_told_and_taken_back_as_a_whole(explorer):
    start, p50_ms = explorer.setting, tiles(explorer)["p50"]
    one, two = explorer.controls.options("wait_ms")[3:5]
    explorer.controls.held = True
    explorer.controls.move(wait_ms=one)
    explorer.controls.move(wait_ms=two)
    assert f"p50 from {p50_ms} to {tiles(explorer)['p50']} ms" in explorer.tiles.sentence
    explorer.controls.held = False
    assert f"p50 from {p50_ms} to {tiles(explorer)['p50']} ms" in explorer.tiles.sentence
    assert "undo" not in explorer.bar.disabled
    explorer.undo()
    assert explorer.setting == start
    explorer.redo()
    assert explorer.setting.wait_ms == two


# Service times


def test_without_service_times_those_of_the_first_model_are_measured(opened):
    explorer = opened(max_batch=16)
    first = ts.Config("small")
    assert explorer._jobs.asked == [(first, 16)]
    assert explorer.bar.doing == "measuring"
    assert "not known yet" in explorer.response.state["why"]
    assert explorer.load.state["why"]
    assert set(tiles(explorer).values()) == {"?"}
    assert "run" in explorer.bar.disabled
    check_sent(explorer)
    explorer._jobs.finish(times(first))
    assert explorer.service.config == first
    assert explorer.served.status == "ok"
    assert 0.5 < explorer.setting.rate_per_s / explorer.service.capacity_per_s(8) < 0.7
    assert explorer.setting.values == explorer.controls.chosen
    assert "run" not in explorer.bar.disabled


def test_another_model_is_measured_when_it_is_chosen_and_only_once(explorer):
    explorer.controls.move(model="large")
    assert explorer._jobs.asked == [(OTHER, 32)]
    assert explorer.served is None
    explorer._jobs.finish(times(OTHER, 1.1))
    assert explorer.served.status == "ok"
    assert [one.config.model for one in explorer.services] == ["small", "large"]
    explorer.controls.move(model="small")
    explorer.controls.move(model="large")
    assert len(explorer._jobs.asked) == 1


def test_much_slower_models_widen_the_rates_and_nothing_else_moves(explorer):
    setting = explorer.setting
    explorer.controls.move(model="large")
    explorer._jobs.finish(times(OTHER, 1000.0))
    assert explorer.controls.options("rate_per_s")[0] < 0.1
    explorer.controls.move(model="small")
    assert explorer.setting.batch == setting.batch
    assert explorer.setting.rate_per_s == pytest.approx(setting.rate_per_s, rel=0.06)


def test_a_model_that_cannot_be_timed_says_why_and_is_not_tried_again(explorer):
    explorer.controls.move(model="large")
    explorer._jobs.finish("out of memory: batch 1 did not fit")
    assert explorer.response.state["why"].endswith("out of memory: batch 1 did not fit")
    assert explorer.bar.doing == "out of memory: batch 1 did not fit"
    explorer.controls.move(model="small")
    explorer.controls.move(model="large")
    assert len(explorer._jobs.asked) == 1


def test_a_cancelled_measurement_is_begun_again_by_the_next_move(explorer):
    explorer.controls.move(model="large")
    explorer.cancel()
    assert explorer.bar.doing == "cancelled"
    assert not explorer._jobs.busy
    explorer.controls.move(rate_per_s=explorer.controls.options("rate_per_s")[9])
    assert explorer._jobs.measuring == OTHER


def test_back_at_what_is_known_nothing_is_measured_any_more(explorer):
    explorer.controls.move(model="large")
    explorer.controls.move(model="small")
    assert not explorer._jobs.busy


def test_batches_that_were_not_measured_are_disabled_and_explained(opened, service):
    small = replace(service, samples_ms={size: service.samples_ms[size] for size in (1, 2, 4)})
    explorer = opened(small)
    assert [*explorer.controls.disabled["batch"].values()] == ["measured up to 4"] * 3
    explorer.controls.move(batch=16)
    assert explorer.load.state["why"].startswith("Batches of 16 were not measured, but up to 4")


@pytest.mark.parametrize(
    ("services", "words"),
    [
        ([ts.ServiceTimes({1: np.array([1.0])})], "services: wanted what ts.service_times.* some without a Config"),
        ([1.0], "services: wanted what ts.service_times.* got float"),
        ([times(ts.Config("huge", threads=1))], "model: wanted one of small, large; got 'huge'"),
        ([replace(times(OTHER), task="fashion")], "services: wanted service times of the task 'toy'; got .*'fashion'"),
    ],
)
def test_service_times_of_something_else_are_refused(opened, services, words):
    with pytest.raises(ValueError, match=words):
        opened(*services)


@pytest.mark.parametrize("options", [{"max_batch": 0}, {"seconds": 0}, {"seconds": math.nan}])
def test_numbers_out_of_range_are_refused(opened, service, options):
    (name,) = options
    with pytest.raises(ValueError, match=f"^{name}: wanted"):
        opened(service, **options)


# Real runs


def real(explorer, **changes):
    return replace(explorer.served, how="measured", deadline_ms=math.inf, **changes)


def test_a_real_run_is_laid_over_where_it_belongs(explorer):
    explorer.bar.press("run")
    assert explorer._jobs.serving == explorer.setting
    assert "run" in explorer.bar.disabled
    assert "cancel" not in explorer.bar.disabled
    explorer._jobs.come_back(real(explorer))
    assert [one["how"] for one in explorer.response.state["streams"]] == ["simulated", "measured"]
    assert len(explorer.load.state["runs"]) == len(explorer.runs) == 1
    assert "For real, " in explorer.tiles.sentence
    check_sent(explorer)
    # At another deadline it is the same run, judged anew; at another rate it is a point of the same hockey stick.
    explorer.controls.move(deadline_ms=2.0)
    assert explorer.load.state["runs"][0]["in_time"] == explorer.load.state["now"]["in_time"]
    explorer.controls.move(rate_per_s=explorer.controls.options("rate_per_s")[20])
    assert len(explorer.response.state["streams"]) == 1
    assert len(explorer.load.state["runs"]) == 1
    explorer.controls.move(batch=4)
    assert explorer.load.state["runs"] == []


def test_a_run_that_is_refused_says_why_and_draws_nothing(explorer):
    explorer.run()
    setting, why = explorer.setting, Failure("unsupported", "no server was recorded")
    explorer._jobs.come_back(Served(setting.arrivals, setting.batcher, "measured", failure=why))
    assert "For real: unsupported: no server was recorded." in explorer.tiles.sentence
    assert len(explorer.response.state["streams"]) == 1
    assert explorer.load.state["runs"] == []


def test_moving_on_while_it_runs_measures_what_is_new_only_afterwards(explorer):
    explorer.run()
    setting, served = explorer.setting, real(explorer)
    explorer.controls.move(model="large")
    assert explorer._jobs.serving == setting
    assert explorer._jobs.asked == []
    explorer._jobs.come_back(served)
    assert explorer._jobs.measuring == OTHER
    assert len(explorer.runs) == 1


# The page


def test_a_still_picture_goes_with_it(explorer):
    assert explorer._repr_mimebundle_()["image/png"]


def test_closing_ends_all_threads(explorer):
    explorer.controls.move(batch=1)
    explorer.close()
    for thread in threading.enumerate():
        if thread.name == "tradespace-background":
            thread.join(60)
            assert not thread.is_alive()
