"""Warming up: the cost model's inner loops are compiled ahead of the first design."""

from __future__ import annotations

from hw_cost.cost_table import cost_table
from hw_cost.example import example_inputs
from hw_cost.technology import load_technology


def compile_model() -> None:
    """Compile the inner loops, or load them from numba's cache on disk.

    Takes ten to thirty seconds the first time on a machine and about one after that. Processes that
    start together should not all do it: call this before them.
    """
    cost_table(*example_inputs(), load_technology())
