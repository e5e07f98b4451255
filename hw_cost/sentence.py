"""Sentences: supply chosen for each, and energy and latency of every group, compiled.

Start and layer 1 run at the highest supply. After it the exit layer is predicted, and the remaining
layers must fit in what is left to the deadline. The functions below are compiled by numba and work
on one design at a time; numba's cache looks at the date of one file only, so they call nothing
compiled elsewhere. Helpers are inlined: handing all arrays to a function costs more than its work.
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


@njit(cache=True, error_model="numpy", inline="always")
def _step_at_levels(
    energy_pj: Floats,
    special_cycles: Floats,
    fetches: Floats,
    a: int,
    s: int,
    k: int,
    x: Designs,
    d: int,
    levels: int,
    store_mw: float,
    ns: Floats,
    pj: Floats,
) -> None:
    """Time and energy of step k at the first ``levels`` supplies into rows (s, k) of ns and pj.

    Args:
        energy_pj: (n_structures, n_token_counts, n_steps, 7) by part, at the nominal supply.
        special_cycles: (n_structures, n_token_counts, n_steps) not hidden under GEMMs.
        fetches: (n_structures, n_token_counts, n_steps, 7, 3) cycles, load cycles, load ns.
        a: structure.
        s: token count, as an index.
        k: step.
        x: designs.
        d: which design.
        levels: how many supplies are wanted.
        store_mw: standby of eNVM and DRAM.
        ns: (n_token_counts, n_steps, n_levels) receives times.
        pj: (n_token_counts, n_steps, n_levels) receives energies.
    """
    fastest_ns, cycles = x.period_ns[d, 0], special_cycles[a, s, k]
    racing = False
    for f in range(fetches.shape[3]):
        busy, load, load_ns = fetches[a, s, k, f, 0], fetches[a, s, k, f, 1], fetches[a, s, k, f, 2]
        # What loads cannot slow down at the fastest clock they cannot at any other.
        if load_ns <= (busy - load) * fastest_ns:
            cycles += busy
        elif load_ns == 0.0:
            cycles += load
        else:
            racing = True
    for level in range(levels):
        ns[s, k, level] = cycles * x.period_ns[d, level]
    if racing:
        for f in range(fetches.shape[3]):
            busy, load = fetches[a, s, k, f, 0], fetches[a, s, k, f, 1]
            load_ns = fetches[a, s, k, f, 2]
            if load_ns > 0.0 and load_ns > (busy - load) * fastest_ns:
                for level in range(levels):
                    period_ns = x.period_ns[d, level]
                    ns[s, k, level] += max(busy * period_ns, load * period_ns + load_ns)
    logic = energy_pj[a, s, k, 0] + energy_pj[a, s, k, 1] + energy_pj[a, s, k, 2]
    sram = energy_pj[a, s, k, 3] + energy_pj[a, s, k, 4]
    direct = energy_pj[a, s, k, 5] + energy_pj[a, s, k, 6]
    for level in range(levels):
        switching = logic * x.logic[d, level] + sram * x.sram[d, level] + direct
        pj[s, k, level] = switching + ns[s, k, level] * (x.static_mw[d, level] + store_mw)


@njit(cache=True, error_model="numpy", inline="always")
def _rest(table: Floats, s: int, level: int, layer_counts: Ints, layer: int) -> float:
    """Sum over layers 2 ... ``layer`` at a level, from (n_token_counts, n_steps, n_levels)."""
    total = 0.0
    for k in range(layer_counts.shape[1]):
        total += layer_counts[layer - 1, k] * table[s, k, level]
    return total


@njit(cache=True, error_model="numpy", inline="always")
def _least_energy(
    x: Designs,
    d: int,
    s: int,
    left_ns: float,
    layer_counts: Ints,
    layer: int,
    ns: Floats,
    pj: Floats,
) -> int:
    """Supply at which the rest fits and costs least, idling included; 0 if it fits at none."""
    best, best_pj = 0, np.inf
    for level in range(x.levels[d]):
        switch_ns = x.switch_ns[d, level]
        time = _rest(ns, s, level, layer_counts, layer) + switch_ns
        if time > left_ns:
            break
        energy = _rest(pj, s, level, layer_counts, layer) + switch_ns * x.static_mw[d, level]
        energy += x.idle_mw[d] * (left_ns - time)
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

    No views of arrays are made inside the loops: counting references to them would cost more than
    the arithmetic.

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
    counts = g.layer_counts
    # A hair less than there is: a choice that just fits must not miss by rounding.
    limit_ns = g.deadline_ns * (1 - _HAIR)
    for d in range(len(x.structure)):
        a, levels, policy, idle_mw = x.structure[d], x.levels[d], x.policy[d], x.idle_mw[d]
        for s in range(tokens):
            for k in range(kinds + 1):
                start = k == kinds  # the start runs at the highest supply only
                _step_at_levels(
                    energy_pj,
                    special_cycles,
                    fetches,
                    a,
                    s,
                    k,
                    x,
                    d,
                    1 if start else levels,
                    x.first_mw[d] if start else x.layer_mw[d],
                    ns,
                    pj,
                )
            # Start, layer 1 and waking up become what every sentence of that length takes.
            ns[s, kinds, 0] += ns[s, g.first_kind, 0] + x.wake_ns[d]
            pj[s, kinds, 0] += pj[s, g.first_kind, 0] + x.wake_pj[d]
        if choose:
            level, before = levels - 1, -1
            for c in range(len(g.choice_token)):
                s, layer = g.choice_token[c], g.choice_layer[c]
                if s != before:
                    level, before = levels - 1, s
                if layer == 1 or policy == _FIXED:
                    chosen[d, c] = 0
                    continue
                left_ns = limit_ns - ns[s, kinds, 0]
                if policy == _LOWEST_FEASIBLE:
                    # More layers never allow a lower supply: go on from that of fewer.
                    while level > 0:
                        if _rest(ns, s, level, counts, layer) + x.switch_ns[d, level] <= left_ns:
                            break
                        level -= 1
                    chosen[d, c] = level
                else:
                    chosen[d, c] = _least_energy(x, d, s, left_ns, counts, layer, ns, pj)
        for i in range(len(g.choice)):
            c, layer = g.choice[i], g.actual[i]
            s, level = g.choice_token[c], chosen[d, c]
            time, energy = ns[s, kinds, 0], pj[s, kinds, 0]
            if layer > 1:
                switch_ns = x.switch_ns[d, level]
                time += switch_ns + _rest(ns, s, level, counts, layer)
                energy += switch_ns * x.static_mw[d, level] + _rest(pj, s, level, counts, layer)
            group_ns[d, i] = time
            group_pj[d, i] = energy + idle_mw * max(g.deadline_ns - time, 0.0)
