"""Closed forms of queueing theory, which a simulation and a server must agree with.

Responses include service. Arrivals are Poisson.
"""

import math

import numpy as np

from tradespace.errors import not_negative, positive, whole_number
from tradespace.surface.predict import BatchFit

# A probability that is left out where a distribution is cut.
NEGLIGIBLE = 1e-12
# Nearer to saturation, a chain that is long enough takes more than a second to solve.
MOST_LOAD = 0.99


def load(rate_per_s: float, service_ms: float) -> float:
    """Share of the time in which one server is busy: the rate of arrivals times the mean time that each one takes.

    Raises
    ------
    ValueError
        If it is 1 or more: then there is no steady state.

    Examples
    --------
    >>> load(200, service_ms=2)
    0.4
    """
    share = positive("rate_per_s", rate_per_s) * positive("service_ms", service_ms) / 1e3
    if share >= 1:
        raise ValueError(
            f"rate_per_s: wanted less than {1e3 / service_ms:g}, which one server serves; got {rate_per_s:g}"
        )
    return share


def mm1_response_ms(rate_per_s: float, service_ms: float, q: float | None = None) -> float:
    """Mean or q-th percentile of the response where service times are exponential (M/M/1).

    Examples
    --------
    >>> mm1_response_ms(600, 1.0), round(mm1_response_ms(600, 1.0, q=99), 4)
    (2.5, 11.5129)
    """
    mean_ms = service_ms / (1 - load(rate_per_s, service_ms))
    return mean_ms if q is None else -math.log1p(-q / 100) * mean_ms


def mg1_response_ms(rate_per_s: float, services_ms: np.ndarray) -> float:
    """Mean response of single requests, given samples of their service times (Pollaczek, 1930).

    With a single sample, all service times are alike (M/D/1).

    Examples
    --------
    >>> mg1_response_ms(600, np.array([1.0]))
    1.75
    """
    service_ms = float(np.mean(services_ms))
    share = load(rate_per_s, service_ms)
    return service_ms + rate_per_s / 1e3 * float(np.mean(np.square(services_ms))) / (2 * (1 - share))


def response_bound_ms(fit: BatchFit, rate_per_s: float) -> float:
    """An upper bound of the mean response where a batch is all that wait, and takes t(B) = a + b B.

    It is close to the mean at any load. (Inoue, "Queueing analysis of GPU-based inference servers with dynamic
    batching: a closed-form characterization", Performance Evaluation 147, 2021.)

    Raises
    ------
    ValueError
        If more requests arrive than ever larger batches could serve.

    Examples
    --------
    >>> round(response_bound_ms(BatchFit(fixed_ms=1.8874, each_ms=0.1438), 0.5e3 / 0.1438), 4)
    5.9019
    """
    tau, alpha, rate_per_ms = fit.fixed_ms, fit.each_ms, positive("rate_per_s", rate_per_s) / 1e3
    share = rate_per_ms * alpha
    if share >= 1:
        raise ValueError(
            f"rate_per_s: wanted less than {fit.peak_throughput_per_s:g}, the peak of the line; got {rate_per_s:g}"
        )
    small = (alpha + tau) / (2 * (1 - share)) * (1 + 2 * rate_per_ms * tau + (1 - rate_per_ms * tau) / (1 + share))
    large = 1.5 * tau / (1 - share) + alpha / 2 * (share + 2) / (1 - share**2)
    return min(small, large)


def batch_response_ms(fit: BatchFit, rate_per_s: float, max_batch: int) -> float:
    """Mean response where a batch is all that wait, but at most `max_batch`, and takes exactly t(B) = a + b B.

    Solves the Markov chain of the number of requests that a batch leaves behind, cut where the rest is negligible.

    Raises
    ------
    ValueError
        If more than 99 % of the requests that full batches could serve arrive: then the chain is too long.

    Examples
    --------
    >>> fit = BatchFit(fixed_ms=1.8874, each_ms=0.1438)
    >>> round(batch_response_ms(fit, 0.6 * fit.throughput_per_s(8), 8), 4)
    3.8443
    """
    from scipy import stats

    max_batch = whole_number("max_batch", max_batch, least=1)
    share = load(rate_per_s, fit.latency_ms(max_batch) / max_batch)
    if share > MOST_LOAD:
        most = MOST_LOAD * fit.throughput_per_s(max_batch)
        raise ValueError(
            f"rate_per_s: wanted at most {most:g}, which is {MOST_LOAD:.0%} of saturation; got {rate_per_s:g}"
        )
    rate_per_ms = rate_per_s / 1e3
    most_arrive = stats.poisson.isf(NEGLIGIBLE, rate_per_ms * fit.latency_ms(max_batch))
    # What is left behind falls off geometrically, by z with ln z = share (z - 1), which is at least e^(2 (1 - share)).
    states = int(max_batch + most_arrive - math.log(NEGLIGIBLE) / (2 * (1 - share)))
    left = np.arange(states)
    there: np.ndarray = np.maximum(left, 1)
    batch = np.minimum(there, max_batch)
    time_ms = fit.latency_ms(batch.astype(float))
    moves: np.ndarray = stats.poisson.pmf(left[None, :] - (there - batch)[:, None], rate_per_ms * time_ms[:, None])
    moves[:, -1] += 1 - moves.sum(axis=1)
    system = np.vstack([(moves.T - np.eye(states))[1:], np.ones(states)])
    shares = np.linalg.solve(system, np.append(np.zeros(states - 1), 1.0))
    in_system = (shares * (there * time_ms + rate_per_ms * time_ms**2 / 2)).sum()
    cycle_ms = (shares * (time_ms + (left == 0) / rate_per_ms)).sum()
    return float(in_system / (rate_per_ms * cycle_ms))


def speculated_tokens(acceptance: float, drafted: int) -> float:
    """Tokens that a round of speculative decoding writes on average, if each drafted one is accepted independently.

    A small model drafts some tokens, and a large one reads them at once. It keeps those up to the first that it would
    not have written, and adds one of its own: (1 - a^(g + 1)) / (1 - a) for g drafted tokens and an acceptance of a.
    (Leviathan, Kalman and Matias, "Fast inference from transformers via speculative decoding", ICML 2023.)

    Raises
    ------
    ValueError
        If `acceptance` is not from 0 to 1, or `drafted` is no whole number above 0.

    Examples
    --------
    >>> round(speculated_tokens(0.8, drafted=4), 4), speculated_tokens(1.0, drafted=4)
    (3.3616, 5.0)
    """
    share, number = not_negative("acceptance", acceptance), whole_number("drafted", drafted, least=1)
    if share > 1:
        raise ValueError(f"acceptance: wanted a share from 0 to 1; got {acceptance!r}. The nearest valid choice is 1")
    return float(sum(share**accepted for accepted in range(number + 1)))
