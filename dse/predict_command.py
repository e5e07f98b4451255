"""``dse predict``: what an exported design answers to a sentence, and what that costs."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dse.errors import UsageError
from dse.exports.errors import ExportError
from dse.exports.loading import ExportFolder
from dse.exports.model import Answer, ExportedModel
from dse.exports.recomputed import ExportedDesign
from dse.exports.text import one_line
from hw_cost import AcceleratorColumns, Groups
from hw_cost.units import NS_PER_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class SentenceCost:
    """What a sentence costs on an exported design.

    Attributes:
        voltage_v: supply of the layers after the first.
        highest_v: supply of the first.
        energy_pj: of the sentence, as the scenario charges it.
        latency_ns: from the request to the answer.
        deadline_ns: of the scenario.
    """

    voltage_v: float
    highest_v: float
    energy_pj: float
    latency_ns: float
    deadline_ns: float


def sentence_cost(design: ExportedDesign, answer: Answer) -> SentenceCost:
    """Cost of a sentence that was answered.

    Raises:
        ExportError: the cost model does not ship, or the chip cannot run a sentence so long.
    """
    if design.scorer is None:
        raise ExportError("The cost model of this export does not ship: no cost can be worked out.")
    scenario = design.scorer.scenario
    tokens = answer.tokens if scenario.padded_tokens is None else scenario.padded_tokens
    one = np.ones(1, dtype=np.int64)
    groups = Groups(
        tokens=one * tokens,
        predicted_layer=one * answer.predicted_layer,
        actual_layer=one * answer.exit_layer,
    )
    table = design.scorer.cost_model.cost_table(
        design.workload, AcceleratorColumns.from_knobs([design.point.hardware]), groups, scenario
    )
    if not table.feasible[0]:
        raise ExportError(
            f"A sentence of {tokens} tokens does not run on this design: {table.reason(0)}"
        )
    return SentenceCost(
        voltage_v=float(table.voltage_v[0, 0]),
        highest_v=design.point.hardware.max_voltage_v,
        energy_pj=float(table.energy_pj[0, 0]),
        latency_ns=float(table.latency_ns[0, 0]),
        deadline_ns=scenario.deadline_ms * NS_PER_MS,
    )


def print_prediction(path: Path, text: str, pair: str | None, as_json: bool) -> None:
    """Print the answer to a sentence.

    Args:
        path: export folder.
        text: the sentence.
        pair: the second one, of a task with pairs.
        as_json: print JSON.

    Raises:
        UsageError: a sentence has nothing in it.
        ExportError: the folder is no export, or holds no model.
    """
    if not text.strip() or (pair is not None and not pair.strip()):
        raise UsageError("The sentence is empty: give one in quotes, such as 'a gripping film'.")
    for given in (text, pair or ""):
        if not given.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in given):
            raise UsageError(f"The sentence {given!a} is no UTF-8: expected text.")
    folder = ExportFolder.open(path)
    model = ExportedModel.of(folder)
    if model.task.is_pair != (pair is not None):
        wanted = "two sentences, the second by --pair" if model.task.is_pair else "one sentence"
        raise UsageError(f"Task {model.task.name}: expected {wanted}.")
    answer = model.answer(text, pair)
    is_cut = model.is_cut(text, pair)
    cost = sentence_cost(folder.design(), answer)
    entropies = [] if model.task.is_regression else answer.entropies.tolist()
    if as_json:
        document = {
            "design_hash": folder.document.design_hash,
            "answer": answer.label or answer.value,
            "exit_layer": answer.exit_layer,
            "predicted_layer": answer.predicted_layer,
            "layers": model.rule.n_exits,
            "tokens": answer.tokens,
            "is_cut": is_cut,
            "entropies_nats": entropies,
            "voltage_v": cost.voltage_v,
            "energy_pj": cost.energy_pj,
            "latency_ns": cost.latency_ns,
            "keeps_deadline": cost.latency_ns <= cost.deadline_ns,
        }
        print(json.dumps(document, indent=1))
        return
    shown = answer.label or f"{answer.value:.3f}"
    print(f"{shown}   {one_line(text)}" + ("" if pair is None else f" | {one_line(pair)}"))
    print(
        f"left after layer {answer.exit_layer} of {model.rule.n_exits} "
        f"({folder.document.knobs['exit_policy']}; {answer.tokens} tokens"
        f"{', which the text was cut to' if is_cut else ''})"
    )
    for layer, entropy in enumerate(entropies, start=1):
        print(f"  layer {layer:2}   entropy {entropy:.3f} nats   {_bar(entropy, model)}")
    later = (
        f"layer 1 at {cost.highest_v:.3f} V, later ones at {cost.voltage_v:.3f} V, chosen for "
        f"layer {answer.predicted_layer}"
    )
    print(later if answer.exit_layer > 1 else f"at {cost.highest_v:.3f} V")
    kept = "within" if cost.latency_ns <= cost.deadline_ns else "beyond"
    print(
        f"{cost.energy_pj / 1e6:.2f} µJ, {cost.latency_ns / 1e6:.3f} ms: {kept} the deadline of "
        f"{cost.deadline_ns / 1e6:g} ms"
    )


def _bar(entropy: float, model: ExportedModel) -> str:
    """The entropy as a bar of at most 40 signs, whole at ln(classes)."""
    return "█" * round(40 * min(entropy / math.log(len(model.task.classes)), 1.0))
