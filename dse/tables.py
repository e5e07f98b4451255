"""Fronts and spaces as tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from rich.table import Table

from search_space import (
    EXIT_KNOBS,
    HARDWARE_KNOBS,
    KNOB_DEFAULTS,
    KNOBS_OF_EXIT_POLICY,
    MODEL_KNOBS,
    UNITS,
    ExitPolicy,
    KnobValue,
    SearchSpace,
)
from studies.metrics import metric_of
from studies.records import Figure, Front, FrontDesign

_BOUNDS: Final = {ExitPolicy.CONFIDENCE: "≥", ExitPolicy.PATIENCE: ""}
"""How a threshold bounds what it is compared with, where not from above."""

TABLE_WIDTH: Final = 200
"""Columns that a printed front needs; on a narrower terminal lines wrap."""


def figure_text(metric: str, figure: Figure) -> str:
    """A figure in its unit for people, with its standard error."""
    scale = metric_of(metric).scale
    value = f"{figure.value * scale:.4g}"
    return value if figure.se is None else f"{value} ±{figure.se * scale:.2g}"


def spread(count: int, shown: int) -> list[int]:
    """At most ``shown`` positions out of ``count``, first and last among them, evenly spaced.

    >>> spread(5, 3)
    [0, 2, 4]
    """
    if count <= shown:
        return list(range(count))
    return [round(i * (count - 1) / max(shown - 1, 1)) for i in range(shown)]


def front_table(front: Front, designs: Sequence[FrontDesign]) -> Table:
    """A table of designs: metrics with their errors, how sure they are, and the knobs in words."""
    metrics = list(dict.fromkeys([o.metric for o in front.objectives] + ["latency_mean_ns"]))
    table = Table(header_style="bold", pad_edge=False, box=None)
    table.add_column("id", justify="right", no_wrap=True)
    for metric in metrics:
        known = metric_of(metric, front.scenario.get("task"))
        table.add_column(f"{known.title}\n{known.unit}", justify="right", no_wrap=True)
    unit = metric_of("accuracy", front.scenario.get("task")).unit
    table.add_column(f"on report\n{unit}", justify="right", no_wrap=True)
    table.add_column("on front\n%", justify="right", no_wrap=True)
    table.add_column("model\ncheckpoint, span, sparsity enc/emb, weights/activations")
    table.add_column("exit\nthreshold", no_wrap=True)
    table.add_column("accelerator\nunits, SRAM data/mask/aux, emb/enc stored in, supply")
    for design in designs:
        table.add_row(
            str(design.id),
            *(figure_text(metric, design.metrics[metric]) for metric in metrics),
            figure_text("accuracy", design.report_accuracy),
            "" if design.membership is None else f"{100 * design.membership:.0f}",
            *_in_words(design.knobs),
        )
    return table


def _in_words(knobs: Mapping[str, KnobValue]) -> tuple[str, str, str]:
    """Model, exit and accelerator of a design, each on a line."""
    text = {name: str(value).replace("adaptivfloat", "af") for name, value in knobs.items()}
    model = (
        f"{text['checkpoint']}, {text['span_budget_tokens']}, {text['encoder_sparsity']}/"
        f"{text['embedding_sparsity']}, {text['weight_format']}/{text['activation_format']}"
    )
    policy = ExitPolicy(text["exit_policy"])
    used = KNOBS_OF_EXIT_POLICY[policy]
    leaves = exit_rule(policy, text[used[0]]) if used else str(policy)
    n = text["mac_vector_size"]
    chip = (
        f"{text['processing_units']}x({n}x{n}), {text['data_sram_kib']}/{text['mask_sram_kib']}/"
        f"{text['aux_sram_kib']} KiB, {text['embedding_storage']}/{text['encoder_storage']}, "
        f"eNVM {text['envm_mib']} MiB, {text['min_voltage_v']}-{text['max_voltage_v']} V "
        f"{text['dvfs_policy']}"
    )
    unusual = [
        f"{name} {text[name]}"
        for name, usual in KNOB_DEFAULTS.items()
        if name not in EXIT_KNOBS and text.get(name, str(usual)) != str(usual)
    ]
    chip = ", ".join([chip, *unusual])
    return model, leaves, chip


def exit_rule(policy: ExitPolicy, threshold: str) -> str:
    """An exit policy with its threshold: the bound that lets a sentence leave, or the patience.

    >>> exit_rule(ExitPolicy.ENTROPY, "0.3"), exit_rule(ExitPolicy.CONFIDENCE, "0.9")
    ('entropy <0.3', 'confidence ≥0.9')
    """
    return f"{policy} {_BOUNDS.get(policy, '<')}{threshold}"


def space_table(space: SearchSpace) -> Table:
    """Every knob with its kind, unit and values."""
    table = Table(header_style="bold", pad_edge=False, box=None)
    for header in ("kind", "knob", "unit", "values", "which"):
        table.add_column(header, overflow="fold")
    kinds = {"model": MODEL_KNOBS, "exit": EXIT_KNOBS, "hardware": HARDWARE_KNOBS}
    for kind, names in kinds.items():
        for name in names:
            values = space[name].values
            text = ", ".join(str(value) for value in values)
            if len(values) > 12:
                text = f"{values[0]} to {values[-1]}" + (" (log)" if space[name].log else "")
            table.add_row(kind, name, UNITS.get(name, ""), str(len(values)), text)
    return table
