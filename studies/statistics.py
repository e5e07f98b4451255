"""Statistics over the sentences of a trace: costs of groups, weighted by shares of groups.

Costs are arrays (n_designs, n_groups): what one sentence of a group costs on a design. Shares are
(n_settings, n_groups): how many of the sentences are in a group under a setting of the exit knobs.
A statistic is an array (n_designs, n_settings), as if every sentence had been listed. Rows of
designs that are NaN stay NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from studies.quantiles import quantiles

FloatArray = NDArray[np.float64]

_NS_PER_S: Final = 1e9
_NS_PER_HOUR: Final = 3600e9
_STEPS: Final = 1e14
"""Sums of shares are rounded to that many steps between 0 and 1: more than rounding errors need."""


def means(costs: FloatArray, shares: FloatArray) -> FloatArray:
    """Mean cost of a sentence, (n_designs, n_settings), in the unit of the costs.

    Args:
        costs: (n_designs, n_groups).
        shares: (n_settings, n_groups), rows sum to 1.
    """
    result: FloatArray = costs @ shares.T
    return result


def shares_of(flags: NDArray[np.bool_], shares: FloatArray) -> FloatArray:
    """Share of the sentences whose group is flagged, (n_designs, n_settings).

    Ten sentences of a thousand are 0.01 and not the next number above it, so that a bound means
    what it says.

    Args:
        flags: (n_designs, n_groups).
        shares: (n_settings, n_groups), rows sum to 1.
    """
    summed = flags.astype(np.float64) @ shares.T
    result: FloatArray = np.rint(summed * _STEPS) / _STEPS
    return result


@dataclass(frozen=True, kw_only=True)
class SentenceStatistics:
    """Statistics of n_designs designs under n_settings settings, each worked out when asked for.

    A chip is busy with a sentence until the answer. Where the scenario charges idle leakage up to
    the deadline, the energy of a sentence covers that time too, and standby begins after it.

    Attributes:
        energy_pj: (n_designs, n_groups) of one sentence.
        latency_ns: (n_designs, n_groups) of one sentence.
        missed: (n_designs, n_groups) whether it is late.
        shares: (n_settings, n_groups) of the sentences; rows sum to 1.
        standby_power_mw: (n_designs,) drawn between sentences.
        sentences_per_hour: the load.
        charged_until_ns: time that the energy of a sentence covers at least: the deadline where
            idle leakage is charged, else 0.
        idle_power_mw: (n_designs,) part of the energy from the answer until `charged_until_ns`;
            None if it is not known: what was drawn while idle then counts as drawn while busy.
    """

    energy_pj: FloatArray
    latency_ns: FloatArray
    missed: NDArray[np.bool_]
    shares: FloatArray
    standby_power_mw: FloatArray
    sentences_per_hour: float
    charged_until_ns: float
    idle_power_mw: FloatArray | None = None

    def values(self, names: Collection[str]) -> dict[str, FloatArray]:
        """Those of the named metrics that are in `STATISTICS`, (n_designs, n_settings) each."""
        direct, by_level = _plan(tuple(names))
        found = {name: _DIRECT[name](self) for name in direct}
        for costs, wanted, levels in by_level:
            found |= zip(wanted, quantiles(costs(self), self.shares, levels), strict=True)
        return found

    @property
    def rate_per_ns(self) -> float:
        """The load, sentences a nanosecond."""
        return self.sentences_per_hour / _NS_PER_HOUR

    @cached_property
    def covered_ns(self) -> FloatArray:
        """(n_designs, n_groups) time that the energy of a sentence covers."""
        if self.charged_until_ns <= 0:
            return self.latency_ns
        return np.maximum(self.latency_ns, self.charged_until_ns)

    @cached_property
    def busy_pj(self) -> FloatArray:
        """(n_designs, n_groups) energy of a sentence until its answer."""
        if self.idle_power_mw is None:
            return self.energy_pj
        return self.energy_pj - self.idle_power_mw[:, None] * (self.covered_ns - self.latency_ns)

    @cached_property
    def mean_energy_pj(self) -> FloatArray:
        """Mean energy of a sentence."""
        return means(self.energy_pj, self.shares)

    @cached_property
    def mean_latency_ns(self) -> FloatArray:
        """Mean time to the answer."""
        return means(self.latency_ns, self.shares)

    @cached_property
    def mean_covered_ns(self) -> FloatArray:
        """Mean time that the energy of a sentence covers."""
        if self.covered_ns is self.latency_ns:
            return self.mean_latency_ns
        return means(self.covered_ns, self.shares)

    @property
    def miss_rate(self) -> FloatArray:
        """Share of late sentences."""
        late = shares_of(self.missed, self.shares)
        late[np.isnan(self.latency_ns[:, 0])] = np.nan
        return late

    @property
    def throughput_per_s(self) -> FloatArray:
        """Sentences a second, one after the other without a pause.

        Below the load, sentences wait ever longer: the load cannot be served.
        """
        return _NS_PER_S / self.mean_latency_ns

    @property
    def duty_cycle(self) -> FloatArray:
        """Share of the time spent on answers at the load; above 1 the load cannot be served."""
        return self.mean_latency_ns * self.rate_per_ns

    @property
    def busy_power_mw(self) -> FloatArray:
        """Mean power while busy: mean energy by mean latency."""
        if self.busy_pj is self.energy_pj:
            return self.mean_energy_pj / self.mean_latency_ns
        return means(self.busy_pj, self.shares) / self.mean_latency_ns

    @property
    def group_power_mw(self) -> FloatArray:
        """(n_designs, n_groups) mean power over one sentence.

        Not the peak that a supply must stand: that lies within a sentence.
        """
        power: FloatArray = self.busy_pj / self.latency_ns
        return power

    @cached_property
    def power_mw(self) -> FloatArray:
        """Mean power at the load: what sentences draw, and standby power in the time between.

        A load that cannot be served leaves no time between; the power is then what it would take.
        """
        between = np.maximum(1 - self.mean_covered_ns * self.rate_per_ns, 0.0)
        return self.mean_energy_pj * self.rate_per_ns + self.standby_power_mw[:, None] * between

    @property
    def energy_per_hour_pj(self) -> FloatArray:
        """Energy of an hour at the load, standby included."""
        return self.power_mw * _NS_PER_HOUR


_DIRECT: Final[Mapping[str, Callable[[SentenceStatistics], FloatArray]]] = {
    "energy_pj": lambda s: s.mean_energy_pj,
    "latency_mean_ns": lambda s: s.mean_latency_ns,
    "deadline_miss_rate": lambda s: s.miss_rate,
    "throughput_per_s": lambda s: s.throughput_per_s,
    "duty_cycle": lambda s: s.duty_cycle,
    "busy_power_mw": lambda s: s.busy_power_mw,
    "power_mw": lambda s: s.power_mw,
    "energy_per_hour_pj": lambda s: s.energy_per_hour_pj,
}

_Costs = Callable[[SentenceStatistics], FloatArray]
_ENERGY_LEVELS: Final = {"energy_p50_pj": 0.5, "energy_p99_pj": 0.99, "energy_max_pj": 1.0}
_LATENCY_LEVELS: Final = {"latency_p50_ns": 0.5, "latency_p99_ns": 0.99, "latency_max_ns": 1.0}
_QUANTILES: Final[Sequence[tuple[_Costs, Mapping[str, float]]]] = (
    (lambda s: s.energy_pj, _ENERGY_LEVELS),
    (lambda s: s.latency_ns, _LATENCY_LEVELS),
    (lambda s: s.group_power_mw, {"peak_power_mw": 1.0}),
)

STATISTICS: Final = frozenset(_DIRECT).union(*(levels for _, levels in _QUANTILES))
"""Metrics that follow from the costs and shares of the sentences."""


@cache
def _plan(
    names: tuple[str, ...],
) -> tuple[tuple[str, ...], list[tuple[_Costs, tuple[str, ...], tuple[float, ...]]]]:
    """Direct statistics among those names, and by costs the names and levels of quantiles."""
    by_level = []
    for costs, levels in _QUANTILES:
        wanted = tuple(name for name in levels if name in names)
        if wanted:
            by_level.append((costs, wanted, tuple(levels[name] for name in wanted)))
    return tuple(name for name in _DIRECT if name in names), by_level


def standard_errors(statistics: SentenceStatistics, n_sentences: int) -> dict[str, FloatArray]:
    """Standard error (n_designs,) of each statistic that has one, over a sample of sentences.

    Of means it is s / sqrt(n); of what is worked out from means (throughput, power while busy) that
    of its linear part (the delta method). Of a percentile it is half the distance between the order
    statistics one binomial standard deviation below and above it (David and Nagaraja, "Order
    Statistics", 3rd ed. 2003, section 7.1); it is left out where the upper one would lie above the
    largest sentence. A maximum has none.

    Args:
        statistics: of one setting of the exit knobs.
        n_sentences: in the sample that the shares were counted in.
    """
    s, shares = statistics, statistics.shares
    if len(shares) != 1:
        raise ValueError(f"Standard errors of {len(shares)} settings: expected one.")
    rate = s.rate_per_ns
    waits = s.mean_covered_ns * rate < 1
    drawn_pj = s.energy_pj - np.where(waits, s.standby_power_mw[:, None] * s.covered_ns, 0.0)
    by_sentence = {
        "energy_pj": s.energy_pj,
        "latency_mean_ns": s.latency_ns,
        "deadline_miss_rate": s.missed.astype(np.float64),
        "throughput_per_s": s.latency_ns * (_NS_PER_S / np.square(s.mean_latency_ns)),
        "duty_cycle": s.latency_ns * rate,
        "busy_power_mw": (s.busy_pj - s.busy_power_mw * s.latency_ns) / s.mean_latency_ns,
        "power_mw": drawn_pj * rate,
        "energy_per_hour_pj": drawn_pj * s.sentences_per_hour,
    }
    errors = {
        name: _error_of_mean(values, shares, n_sentences) for name, values in by_sentence.items()
    }
    for costs, levels in ((s.energy_pj, _ENERGY_LEVELS), (s.latency_ns, _LATENCY_LEVELS)):
        for name, level in levels.items():
            width = float(np.sqrt(level * (1 - level) / n_sentences))
            if width > 0 and width < level < 1 - width:
                ends = quantiles(costs, shares, (level - width, level + width))[:, :, 0]
                errors[name] = (ends[1] - ends[0]) / 2
    return errors


def _error_of_mean(values: FloatArray, shares: FloatArray, n: int) -> FloatArray:
    """(n_designs,) s / sqrt(n) of values (n_designs, n_groups) with shares (1, n_groups)."""
    variance = means(np.square(values - means(values, shares)), shares)[:, 0] * n / max(n - 1, 1)
    error: FloatArray = np.sqrt(variance / n)
    return error
