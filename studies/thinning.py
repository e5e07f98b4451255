"""Thinning: the few designs of a front that keep the most of its hypervolume."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np

from studies.fronts import Axis, FloatArray, normalised, volume


def most_hypervolume(values: FloatArray, objectives: Sequence[Axis], k: int) -> list[int]:
    """Places of at most k points that together dominate much hypervolume, in rising order.

    Points are chosen one after the other, each the one that adds most to those before it (of equal
    ones the first). Since hypervolume is submodular, they dominate at least 1 - 1/e, 63 %, of what
    the best k points do (Nemhauser, Wolsey and Fisher, Mathematical Programming 14, 1978), and what
    a point adds never grows: a point is worked out again only when its old figure leads (Minoux,
    1978). Points that add nothing fill up to k in their order.

    Args:
        values: (n_points, n_objectives), each in the unit of its metric.
        objectives: one for each column.
        k: 1 or more.
    """
    if len(values) <= k:
        return list(range(len(values)))
    points = normalised(values, objectives)
    boxes = np.clip(1 - points, 0, None).prod(axis=1)  # what a point dominates alone
    queue = [(-box, place) for place, box in enumerate(boxes)]
    heapq.heapify(queue)
    chosen: list[int] = []
    fresh = dict.fromkeys(range(len(points)), 0)
    reached = 0.0
    while queue and len(chosen) < k:
        gain, place = heapq.heappop(queue)
        if gain == 0 or fresh[place] == len(chosen):
            chosen.append(place)
            reached -= gain
            continue
        gained = volume(points[[*chosen, place]]) - reached
        fresh[place] = len(chosen)
        heapq.heappush(queue, (-max(gained, 0.0), place))
    return sorted(chosen)
