"""Sentences: supply chosen for each, and energy and latency of every group, compiled.

Start and layer 1 run at the highest supply. After it the exit layer is predicted, and the remaining
layers must fit in what is left to the deadline. The functions below are compiled by numba and work
on one design at a time; numba's cache looks at the date of one file only, so they call nothing
compiled elsewhere.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numba import njit

from hw_cost.units import Floats, Ints, Levels

_FIXED, _LOWEST_FEASIBLE = 0, 1
_HAIR: Final = 1e-12


class Designs(NamedTuple):
    """Designs of one block, and what their energies are charged at.

    Attributes:
        structure: (n_designs,) row of the steps.
        policy: (n_designs,) DVFS policy.
        levels: (n_designs,) supplies that the design has.
        period_ns: (n_designs, n_levels) of the clock.
        logic: (n_designs, n_levels) factor on the energy of logic.
        sram: (n_designs, n_levels) factor on the energy of SRAM.
        static_mw: (n_designs, n_levels) leakage and clock generator.
        switch_ns: (n_designs, n_levels) time of a change from the highest supply.
        idle_mw: (n_designs,) charged up to the deadline.
        wake_ns: (n_designs,) before the start.
        wake_pj: (n_designs,).
        first_mw: (n_designs,) standby of eNVM and DRAM in the start.
        layer_mw: (n_designs,) the same in layers.
    """

    structure: Ints
    policy: Ints
    levels: Ints
    period_ns: Floats
    logic: Floats
    sram: Floats
    static_mw: Floats
    switch_ns: Floats
    idle_mw: Floats
    wake_ns: Floats
    wake_pj: Floats
    first_mw: Floats
    layer_mw: Floats


class Sentences(NamedTuple):
    """Groups of sentences.

    Attributes:
        choice_token: (n_choices,) token count of each choice of a supply, as an index.
        choice_layer: (n_choices,) layer that it is made for.
        choice: (n_groups,) choice of each group.
        actual: (n_groups,) layer that it leaves after.
        layer_counts: (n_layers, n_kinds) layers of each kind among 2 ... p.
        first_kind: kind of layer 1.
        deadline_ns: latest end.
    """

    choice_token: Ints
    choice_layer: Ints
    choice: Ints
    actual: Ints
    layer_counts: Ints
    first_kind: int
    deadline_ns: float


@njit(cache=True, error_model="numpy")
def _step_at_levels(
    step_pj: Floats,
    special_cycles: float,
    fetches: Floats,
    period_ns: Floats,
    logic: Floats,
    sram: Floats,
    static_mw: Floats,
    store_mw: float,
    ns: Floats,
    pj: Floats,
) -> None:
    """Time and energy of one step at every level into ``ns`` and ``pj``, all (n_levels,).

    Args:
        step_pj: (7,) by part, at the nominal supply.
        special_cycles: not hidden under GEMMs.
        fetches: (7, 3) cycles, load cycles, load ns of the GEMMs.
        period_ns: (n_levels,), rising.
        logic: (n_levels,) factor on the energy of logic.
        sram: (n_levels,) factor on the energy of SRAM.
        static_mw: (n_levels,) leakage and clock generator.
        store_mw: standby of eNVM and DRAM.
        ns: receives times.
        pj: receives energies.
    """
    cycles = special_cycles
    for f in range(len(fetches)):
        # What loads cannot slow down at the fastest clock they cannot at any other.
        if fetches[f, 2] <= (fetches[f, 0] - fetches[f, 1]) * period_ns[0]:
            cycles += fetches[f, 0]
        elif fetches[f, 2] == 0.0:
            cycles += fetches[f, 1]
    for level in range(len(ns)):
        ns[level] = cycles * period_ns[level]
    for f in range(len(fetches)):
        busy, load, load_ns = fetches[f, 0], fetches[f, 1], fetches[f, 2]
        if load_ns > 0.0 and load_ns > (busy - load) * period_ns[0]:
            for level in range(len(ns)):
                ns[level] += max(busy * period_ns[level], load * period_ns[level] + load_ns)
    of_logic = step_pj[0] + step_pj[1] + step_pj[2]
    of_sram, direct = step_pj[3] + step_pj[4], step_pj[5] + step_pj[6]
    for level in range(len(ns)):
        pj[level] = of_logic * logic[level] + of_sram * sram[level] + direct
        pj[level] += ns[level] * (static_mw[level] + store_mw)


@njit(cache=True, error_model="numpy")
def _rest(table: Floats, level: int, counts: Ints) -> float:
    """Sum over the layers after the first, from (n_kinds, n_levels) and (n_kinds,) counts."""
    total = 0.0
    for k in range(len(counts)):
        total += counts[k] * table[k, level]
    return total


@njit(cache=True, error_model="numpy")
def _lowest_in_time(start: int, left_ns: float, counts: Ints, ns: Floats, switch_ns: Floats) -> int:
    """Lowest supply, from level ``start`` upwards, at which the rest fits; 0 if none does."""
    level = start
    while level > 0 and _rest(ns, level, counts) + switch_ns[level] > left_ns:
        level -= 1
    return level


@njit(cache=True, error_model="numpy")
def _least_energy(
    levels: int,
    left_ns: float,
    counts: Ints,
    ns: Floats,
    pj: Floats,
    switch_ns: Floats,
    static_mw: Floats,
    idle_mw: float,
) -> int:
    """Supply at which the rest fits and costs least, idling included; 0 if it fits at none."""
    best, best_pj = 0, np.inf
    for level in range(levels):
        time = _rest(ns, level, counts) + switch_ns[level]
        if time > left_ns:
            break
        energy = _rest(pj, level, counts) + switch_ns[level] * static_mw[level]
        energy += idle_mw * (left_ns - time)
        if energy < best_pj:
            best, best_pj = level, energy
    return best


@njit(cache=True, error_model="numpy", nogil=True)
def sentence_costs(
    energy_pj: Floats,
    special_cycles: Floats,
    fetches: Floats,
    x: Designs,
    g: Sentences,
    chosen: Levels,
    choose: bool,
    group_pj: Floats,
    group_ns: Floats,
) -> None:
    """Chooses supplies and fills the costs of every design of a block and every group.

    Args:
        energy_pj: (n_structures, n_token_counts, n_steps, 7) of the steps.
        special_cycles: (n_structures, n_token_counts, n_steps).
        fetches: (n_structures, n_token_counts, n_steps, 7, 3).
        x: the designs.
        g: the groups; choices of a token count stand together, in rising order of layers.
        chosen: (n_designs, n_choices) levels; filled if ``choose``, else read.
        choose: whether to choose.
        group_pj: (n_designs, n_groups) receives energies.
        group_ns: (n_designs, n_groups) receives latencies.
    """
    tokens, kinds, most = energy_pj.shape[1], energy_pj.shape[2] - 1, x.period_ns.shape[1]
    ns, pj = np.empty((tokens, kinds + 1, most)), np.empty((tokens, kinds + 1, most))
    choice_token, choice_layer, counts_of = g.choice_token, g.choice_layer, g.layer_counts
    choice, actual, deadline_ns = g.choice, g.actual, g.deadline_ns
    for d in range(len(x.structure)):
        a, levels, policy, idle_mw = x.structure[d], x.levels[d], x.policy[d], x.idle_mw[d]
        period_ns, static_mw = x.period_ns[d, :levels], x.static_mw[d, :levels]
        logic, sram, switch_ns = x.logic[d, :levels], x.sram[d, :levels], x.switch_ns[d, :levels]
        for s in range(tokens):
            for k in range(kinds + 1):
                # The start runs at the highest supply only.
                end = levels if k < kinds else 1
                _step_at_levels(
                    energy_pj[a, s, k],
                    special_cycles[a, s, k],
                    fetches[a, s, k],
                    period_ns,
                    logic,
                    sram,
                    static_mw,
                    x.layer_mw[d] if k < kinds else x.first_mw[d],
                    ns[s, k, :end],
                    pj[s, k, :end],
                )
            # Start, layer 1 and waking up become what every sentence of that length takes.
            ns[s, kinds, 0] += ns[s, g.first_kind, 0] + x.wake_ns[d]
            pj[s, kinds, 0] += pj[s, g.first_kind, 0] + x.wake_pj[d]
        if choose:
            level, before = levels - 1, -1
            for c in range(len(choice_token)):
                s, layer = choice_token[c], choice_layer[c]
                if s != before:
                    level, before = levels - 1, s
                if layer == 1 or policy == _FIXED:
                    chosen[d, c] = 0
                    continue
                # A hair less than there is: a choice that just fits must not miss by rounding.
                left_ns = deadline_ns * (1 - _HAIR) - ns[s, kinds, 0]
                counts = counts_of[layer - 1]
                if policy == _LOWEST_FEASIBLE:
                    # More layers never allow a lower supply.
                    level = _lowest_in_time(level, left_ns, counts, ns[s], switch_ns)
                    chosen[d, c] = level
                else:
                    chosen[d, c] = _least_energy(
                        levels, left_ns, counts, ns[s], pj[s], switch_ns, static_mw, idle_mw
                    )
        for i in range(len(choice)):
            c, layer = choice[i], actual[i]
            s, level = choice_token[c], chosen[d, c]
            time, energy = ns[s, kinds, 0], pj[s, kinds, 0]
            if layer > 1:
                counts = counts_of[layer - 1]
                time += switch_ns[level] + _rest(ns[s], level, counts)
                energy += switch_ns[level] * static_mw[level] + _rest(pj[s], level, counts)
            group_ns[d, i] = time
            group_pj[d, i] = energy + idle_mw * max(deadline_ns - time, 0.0)
