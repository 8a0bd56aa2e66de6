import math

import numpy as np
import pytest
import tradespace as ts
from tradespace.show.controls.widget import Controls
from tradespace.show.serving.settings import Setting, groups, rates_of, start_of


@pytest.fixture
def start():
    return ts.Config("small", threads=1)


def test_a_setting_makes_arrivals_and_a_batcher(start):
    setting = Setting(start, rate_per_s=50, batch=8, wait_ms=3)
    assert setting.arrivals == ts.arrivals.Poisson(50)
    assert setting.batcher == ts.Batcher(8, 3)
    assert setting.with_values({"dispersion": 5.0}).arrivals == ts.arrivals.Bursty(50, 5)
    # Nobody waits for others who cannot come along.
    assert setting.with_values({"batch": 1}).batcher == ts.Batcher()


def test_rate_and_deadline_are_of_no_concern_to_the_server(start):
    setting = Setting(start, batch=8)
    assert setting.with_values({"rate_per_s": 7.0, "deadline_ms": 9.0}).server == setting.server
    for other in ({"batch": 4}, {"wait_ms": 1.0}, {"dispersion": 2.0}, {"precision": "bf16"}):
        assert setting.with_values(other).server != setting.server


def test_values_and_setting_determine_each_other(start):
    setting = Setting(start, 50, 5, 8, 3, 20)
    assert Setting(ts.Config("large")).with_values(setting.values) == setting


def test_rates_cover_the_slowest_and_the_fastest_server_in_small_steps(service):
    slow = ts.ServiceTimes({1: np.array([500.0])})
    rates = np.array(rates_of([service, slow]))
    assert rates[0] < 0.05 * 2
    assert rates[-1] > 2 * service.capacity_per_s(16)
    assert (np.diff(rates) > 0).all()
    assert (rates[1:] / rates[:-1]).max() < 1.16


def test_it_opens_below_the_capacity_with_options_that_there_are(service, task):
    rates, sizes = rates_of([service]), (1, 2, 4, 8, 16, 32)
    start = start_of(service, rates, sizes)
    assert start["batch"] == 8
    assert 0.5 < start["rate_per_s"] / service.capacity_per_s(8) < 0.7
    setting = Setting(service.config).with_values(start)
    controls = Controls(groups(task, service.config, rates, sizes), setting.values)
    assert controls.chosen == setting.values
    assert start_of(ts.ServiceTimes({1: np.array([1.0])}), rates, sizes)["batch"] == 1


def test_every_control_explains_itself_and_none_is_called_alike(task, service):
    offered = [one for group in groups(task, service.config, rates_of([service]), (1, 2)) for one in group.controls]
    assert all(one.tooltip for one in offered)
    assert len({one.label for one in offered}) == len(offered)
    (deadline,) = [one for one in offered if one.name == "deadline_ms"]
    assert deadline.sent["options"][-1] == "none"
    assert deadline.options[-1] == math.inf
