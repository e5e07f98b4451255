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
    """Designs, and what their energies are charged at.

    Attributes:
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

    Choices of a supply, one for each token count and predicted layer, are in rising order of both.

    Attributes:
        choice_token: (n_choices,) token count of each choice, as an index.
        choice_layer: (n_choices,) layer that it is made for.
        choice: (n_groups,) choice of each group.
        actual: (n_groups,) layer that it leaves after.
        kind_of_layer: (n_layers,).
        first_choice: (n_token_counts + 1,) where the choices of a token count begin.
        by_choice: (n_groups,) the groups in order of their choices.
        first_group: (n_token_counts + 1,) where those of a token count begin in that order.
        wanted: (n_wanted,) layers beyond the first of choices and groups, in rising order for each
            token count.
        more: (n_wanted, n_kinds) layers of each kind since the wanted layer before, or layer 1.
        first_wanted: (n_token_counts + 1,) where those of a token count begin.
        deadline_ns: latest end.
    """

    choice_token: Ints
    choice_layer: Ints
    choice: Ints
    actual: Ints
    kind_of_layer: Ints
    first_choice: Ints
    by_choice: Ints
    first_group: Ints
    wanted: Ints
    more: Ints
    first_wanted: Ints
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
    """Time and energy of step k at the first ``levels`` supplies into row k of ns and pj.

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
        ns: (n_steps, n_levels) receives times.
        pj: (n_steps, n_levels) receives energies.
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
        ns[k, level] = cycles * x.period_ns[d, level]
    if racing:
        for f in range(fetches.shape[3]):
            busy, load = fetches[a, s, k, f, 0], fetches[a, s, k, f, 1]
            load_ns = fetches[a, s, k, f, 2]
            if load_ns > 0.0 and load_ns > (busy - load) * fastest_ns:
                for level in range(levels):
                    period_ns = x.period_ns[d, level]
                    ns[k, level] += max(busy * period_ns, load * period_ns + load_ns)
    logic = energy_pj[a, s, k, 0] + energy_pj[a, s, k, 1] + energy_pj[a, s, k, 2]
    sram = energy_pj[a, s, k, 3] + energy_pj[a, s, k, 4]
    direct = energy_pj[a, s, k, 5] + energy_pj[a, s, k, 6]
    for level in range(levels):
        switching = logic * x.logic[d, level] + sram * x.sram[d, level] + direct
        pj[k, level] = switching + ns[k, level] * (x.static_mw[d, level] + store_mw)


@njit(cache=True, error_model="numpy", inline="always")
def _least_energy(
    x: Designs,
    d: int,
    levels: int,
    left_ns: float,
    layer: int,
    rest_ns: Floats,
    rest_pj: Floats,
    total_pj: Floats,
) -> int:
    """Supply at which the rest fits and costs least, idling included; 0 if it fits at none.

    ``total_pj``, (n_levels,), receives energies, infinite where the rest does not fit: two plain
    loops are quicker than one that ends early.
    """
    idle_mw = x.idle_mw[d]
    for level in range(levels):
        switch_ns = x.switch_ns[d, level]
        slack_ns = left_ns - (rest_ns[layer, level] + switch_ns)
        energy = rest_pj[layer, level] + switch_ns * x.static_mw[d, level] + idle_mw * slack_ns
        total_pj[level] = energy if slack_ns >= 0.0 else np.inf
    best = 0
    for level in range(1, levels):
        best = level if total_pj[level] < total_pj[best] else best
    return best


@njit(cache=True, error_model="numpy", nogil=True)
def sentence_costs(
    energy_pj: Floats,
    special_cycles: Floats,
    fetches: Floats,
    local: Ints,
    which: Ints,
    x: Designs,
    g: Sentences,
    chosen: Levels,
    choose: bool,
    rows: Ints,
    group_pj: Floats,
    group_ns: Floats,
) -> None:
    """Chooses supplies and fills the costs of the designs of a block for every group.

    No views of arrays are made inside the loops: counting references to them would cost more than
    the arithmetic.

    Args:
        energy_pj: (n_structures, n_token_counts, n_steps, 7) of the steps.
        special_cycles: (n_structures, n_token_counts, n_steps).
        fetches: (n_structures, n_token_counts, n_steps, 7, 3).
        local: (n_in_block,) structures of the block's designs in the steps.
        which: (n_in_block,) the block's designs among the designs.
        x: the designs.
        g: the groups.
        chosen: (n_designs, n_choices) levels; filled if ``choose``, else read.
        choose: whether to choose.
        rows: (n_designs,) rows of the tables that the designs fill.
        group_pj: (n_rows, n_groups) receives energies.
        group_ns: (n_rows, n_groups) receives latencies.
    """
    kinds, most, layers = energy_pj.shape[2] - 1, x.period_ns.shape[1], len(g.kind_of_layer)
    first_kind = g.kind_of_layer[0]
    ns, pj = np.empty((kinds + 1, most)), np.empty((kinds + 1, most))
    # Of layers 2 ... p, by p; none for p = 1.
    rest_ns, rest_pj = np.zeros((layers + 1, most)), np.zeros((layers + 1, most))
    total_pj = np.empty(most)
    # A hair less than there is: a choice that just fits must not miss by rounding.
    limit_ns = g.deadline_ns * (1 - _HAIR)
    for b in range(len(which)):
        a, d = local[b], which[b]
        levels, policy, idle_mw, row = x.levels[d], x.policy[d], x.idle_mw[d], rows[d]
        for s in range(energy_pj.shape[1]):
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
            # Waking up, start and layer 1: what every sentence of that length takes.
            begin_ns = ns[kinds, 0] + ns[first_kind, 0] + x.wake_ns[d]
            begin_pj = pj[kinds, 0] + pj[first_kind, 0] + x.wake_pj[d]
            before = 1
            for w in range(g.first_wanted[s], g.first_wanted[s + 1]):
                layer = g.wanted[w]
                for level in range(levels):
                    rest_ns[layer, level] = rest_ns[before, level]
                    rest_pj[layer, level] = rest_pj[before, level]
                for k in range(kinds):
                    more = float(g.more[w, k])
                    if more > 0:
                        for level in range(levels):
                            rest_ns[layer, level] += more * ns[k, level]
                            rest_pj[layer, level] += more * pj[k, level]
                before = layer
            if choose:
                level, left_ns = levels - 1, limit_ns - begin_ns
                for c in range(g.first_choice[s], g.first_choice[s + 1]):
                    layer = g.choice_layer[c]
                    if layer == 1 or policy == _FIXED:
                        chosen[d, c] = 0
                    elif policy == _LOWEST_FEASIBLE:
                        # More layers never allow a lower supply: go on from that of fewer.
                        while level > 0:
                            if rest_ns[layer, level] + x.switch_ns[d, level] <= left_ns:
                                break
                            level -= 1
                        chosen[d, c] = level
                    else:
                        chosen[d, c] = _least_energy(
                            x, d, levels, left_ns, layer, rest_ns, rest_pj, total_pj
                        )
            for i in range(g.first_group[s], g.first_group[s + 1]):
                group = g.by_choice[i]
                layer, level = g.actual[group], chosen[d, g.choice[group]]
                time, energy = begin_ns, begin_pj
                if layer > 1:
                    switch_ns = x.switch_ns[d, level]
                    time += switch_ns + rest_ns[layer, level]
                    energy += switch_ns * x.static_mw[d, level] + rest_pj[layer, level]
                group_ns[row, group] = time
                group_pj[row, group] = energy + idle_mw * max(g.deadline_ns - time, 0.0)
