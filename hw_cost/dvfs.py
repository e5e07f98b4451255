"""DVFS: the supply of the layers after the first, chosen for each sentence from its prediction.

Layer 1 runs at the highest supply. After it the exit layer is predicted, and the remaining layers
must fit in what is left to the deadline.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from hw_cost.accelerator import DVFS_POLICIES
from hw_cost.units import Bools, Floats, Ints
from search_space import DvfsPolicy

_LOWEST: Final = DVFS_POLICIES.index(DvfsPolicy.LOWEST_FEASIBLE)
_MIN_ENERGY: Final = DVFS_POLICIES.index(DvfsPolicy.MIN_ENERGY)


def rest_of_layers(per_kind: tuple[Floats, ...], counts: Ints) -> Floats:
    """Sum over the layers after the first: counts (n_kinds,) of each kind of layer."""
    total: Floats = counts[0] * per_kind[0]
    for count, one in zip(counts[1:], per_kind[1:], strict=True):
        if count:
            total = total + count * one
    return total


def chosen_levels(
    *,
    first_ns: Floats,
    layer_ns: tuple[Floats, ...],
    layer_pj: tuple[Floats, ...],
    layer_counts: Ints,
    exists: Bools,
    switch_ns: float,
    switch_mw: Floats,
    idle_mw: Floats,
    deadline_ns: float,
    policy: Ints,
) -> Ints:
    """Index of the supply level for each prediction, (n_layers, n_designs, n_token_counts).

    Level 0 is the highest supply; it is kept where no level meets the deadline, by the policy
    ``fixed``, and where no layer remains.

    Args:
        first_ns: (n_designs, n_token_counts) time up to the end of layer 1.
        layer_ns: for each kind of layer its time, (n_levels, n_designs, n_token_counts).
        layer_pj: for each kind of layer its energy, same shape.
        layer_counts: (n_layers, n_kinds) layers of each kind among 2 ... p, for p = 1 ... n_layers.
        exists: (n_levels, n_designs, 1) whether the design has the level.
        switch_ns: time of a change of level.
        switch_mw: (n_levels, n_designs, 1) power during it.
        idle_mw: (n_designs, 1) power charged from the end of a sentence to its deadline.
        deadline_ns: latest end.
        policy: (n_designs,) indices into `DVFS_POLICIES`.
    """
    chosen = np.zeros((len(layer_counts), *first_ns.shape), dtype=np.intp)
    free = np.flatnonzero((policy == _LOWEST) | (policy == _MIN_ENERGY))
    if not len(free):
        return chosen
    greedy = np.flatnonzero(policy[free] == _MIN_ENERGY)
    whole = len(free) == len(policy)
    pick = slice(None) if whole else free
    times = tuple(x[:, pick] for x in layer_ns)
    switches = np.full((len(exists), 1, 1), switch_ns)
    switches[0] = 0.0
    # A hair less than there is: a choice that just fits must not miss by rounding.
    left = deadline_ns * (1 - 1e-12) - first_ns[None, pick] - switches
    left = np.where(exists[:, pick], left, -1.0)
    idle = idle_mw[pick][greedy]
    # A layer takes time in which nothing idles.
    net_energies = tuple(
        pj[:, pick][:, greedy] - idle * ns[:, greedy]
        for pj, ns in zip(layer_pj, times, strict=True)
    )
    once_pj = (switch_mw[:, pick] * switches)[:, greedy] + idle * left[:, greedy]
    most = _most_layers(times, left, layer_counts)
    for p in range(1, len(layer_counts)):
        feasible = most >= p
        # Time falls with the supply, so the feasible levels are the first ones.
        level = np.maximum(feasible.sum(axis=0, dtype=np.int8).astype(np.intp) - 1, 0)
        if len(greedy):
            energy = rest_of_layers(net_energies, layer_counts[p])
            energy += once_pj
            energy[~feasible[:, greedy]] = np.inf
            level[greedy] = energy.argmin(axis=0)
        chosen[p][pick] = level
    return chosen


def _most_layers(times: tuple[Floats, ...], left: Floats, layer_counts: Ints) -> NDArray[np.int8]:
    """Layers after the first that fit in the time left, -1 where the level does not exist.

    Args:
        times: for each kind of layer, (n_levels, n_designs, n_token_counts).
        left: same shape; negative where not even the first layer fits.
        layer_counts: (n_layers, n_kinds).
    """
    last = len(layer_counts) - 1
    if len(times) == 1:
        most = np.floor(left / times[0])
        return np.clip(most, -1, last).astype(np.int8)
    fitting = np.full(left.shape, -1, dtype=np.int8)
    for p in range(last + 1):
        fitting += rest_of_layers(times, layer_counts[p]) <= left
    return fitting
