"""How knobs become Optuna parameters."""

from __future__ import annotations

import optuna

from search_space import Dimension, KnobValue


def suggest(trial: optuna.Trial, dimension: Dimension) -> KnobValue:
    """The value that the sampler chooses for a knob.

    Knobs with text are categorical. Numeric ones are ordered: the sampler sees the position in the
    list of values, as parameter ``name[index]``.
    """
    values = dimension.values
    if len(values) == 1:
        return values[0]
    if is_categorical(dimension):
        return str(trial.suggest_categorical(dimension.name, values))
    return values[trial.suggest_int(f"{dimension.name}[index]", 0, len(values) - 1)]


def parameter(dimension: Dimension, value: KnobValue) -> tuple[str, KnobValue]:
    """Optuna's parameter of a knob with more than one value, and what stands for that value.

    Args:
        dimension: of the knob.
        value: one of its values.
    """
    if is_categorical(dimension):
        return dimension.name, value
    return f"{dimension.name}[index]", dimension.values.index(value)


def is_categorical(dimension: Dimension) -> bool:
    """Whether a knob's values have no order."""
    return any(isinstance(value, str) for value in dimension.values)
