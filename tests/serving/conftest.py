"""What tests of serving share: servers whose times are known, and how far an estimate is from the truth."""

import math

import numpy as np
import pytest
from scipy import stats
from tradespace.serving.served import BLOCKS
from tradespace.serving.service import ServiceTimes
from tradespace.surface.predict import BatchFit

SHARES = (np.arange(100_000) + 0.5) / 100_000


@pytest.fixture(scope="session")
def exponential():
    """Single requests that take 1 ms on average, and exponential times."""
    return ServiceTimes({1: -np.log1p(-SHARES)})


@pytest.fixture(scope="session")
def steady():
    """Single requests that take exactly 1 ms."""
    return ServiceTimes({1: [1.0]})


@pytest.fixture(scope="session")
def v100():
    """-> (largest batch) -> Inoue's line of ResNet-50 on a V100, and times exactly on it."""
    fit = BatchFit(fixed_ms=1.8874, each_ms=0.1438)
    return lambda largest: (fit, ServiceTimes({1: [fit.latency_ms(1)], largest: [fit.latency_ms(largest)]}))


@pytest.fixture(scope="session")
def errors():
    """-> (value, its 95 % interval over blocks, truth) -> by how many standard errors the value is off."""
    width = 2 * float(stats.t.ppf(0.975, BLOCKS - 1))

    def off(value, interval, truth):
        low, high = interval
        assert not math.isnan(low)
        return abs(value - truth) / ((high - low) / width)

    return off
