"""``dse explain``: mapping, utilisation and bound of every GEMM of one design of a front."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from dse.errors import SelectionError, UsageError
from dse.evaluation import Evaluation
from dse.rescored import source_of_run
from dse.runs import RunFolder
from dse.tables import TABLE_WIDTH
from evaluators.traces import Split
from hw_cost import (
    AcceleratorColumns,
    AnalyticModel,
    ExplainedGemm,
    InfeasibleDesignError,
    explained_gemms,
)
from search_space import KnobValue, design_point
from studies.records import RecordError

_NS_PER_US: Final = 1e3
_PJ_PER_NJ: Final = 1e3
_BOUNDS: Final = ("compute", "special functions")
"""Bounds that are not a memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedSentence:
    """A sentence that takes every layer of one design, all at its highest supply.

    Attributes:
        design_id: of the front.
        tokens: of the sentence.
        voltage_v: the supply.
        gemms: what it consists of, each with the times that it is run.
    """

    design_id: int
    tokens: int
    voltage_v: float
    gemms: tuple[ExplainedGemm, ...]

    @property
    def time_ns(self) -> float:
        """Start and all layers, from the first look-up; waking up is not in it."""
        return sum(gemm.runs * gemm.time_ns for gemm in self.gemms)

    @property
    def energy_pj(self) -> float:
        """Switching energy, drawn from the supply; leakage is not in it."""
        return sum(gemm.runs * gemm.energy_pj for gemm in self.gemms)

    @property
    def time_shares(self) -> dict[str, float]:
        """Share of the time by what bounds it: compute, memory, special functions."""
        shares = {"compute": 0.0, "memory": 0.0, "special functions": 0.0}
        for gemm in self.gemms:
            bound = gemm.bound if gemm.bound in _BOUNDS else "memory"
            shares[bound] += gemm.runs * gemm.time_ns / self.time_ns
        return shares


def print_explanation(run: RunFolder, design_id: int, tokens: int | None, as_json: bool) -> None:
    """Print what each step of a sentence does on one design of a run's front.

    Args:
        run: a finished run.
        design_id: of its front.
        tokens: of the sentence; None for the longest that the study scores.
        as_json: print JSON instead of a table.

    Raises:
        RecordError: the run has no front.
        SelectionError: there is no such design, it cannot run a sentence of that length, or it was
            scored by a cost model whose mappings are not known here.
        UsageError: the encoder has no room for so many tokens.
    """
    front = run.front_record()
    try:
        knobs = front.design(design_id).knobs
    except RecordError as error:
        raise SelectionError(f"--id {design_id}: {error}") from error
    sentence = explained_sentence(run, design_id, knobs, tokens)
    if as_json:
        print(json.dumps(_document(sentence), indent=1))
        return
    Console(width=max(TABLE_WIDTH, Console().width)).print(_table(sentence.gemms))
    shares = sentence.time_shares
    print(
        f"\nDesign {design_id}, sentence of {tokens_text(sentence.tokens)} through all layers at "
        f"{sentence.voltage_v:g} V: {sentence.time_ns / _NS_PER_US:,.1f} µs and "
        f"{sentence.energy_pj / _PJ_PER_NJ:,.1f} nJ of switching energy, start and all layers.\n"
        f"Of the time, {shares['compute']:.1%} is bound by compute, {shares['memory']:.1%} by "
        f"memory, {shares['special functions']:.1%} goes to special functions. Rows show one run "
        "of their step."
    )


def explained_sentence(
    run: RunFolder, design_id: int, knobs: Mapping[str, KnobValue], tokens: int | None
) -> ExplainedSentence:
    """The explanation of a design of a run.

    Args:
        run: the run.
        design_id: of the design.
        knobs: of the design, flat.
        tokens: of the sentence; None for the longest one of the ``select`` split, or the length
            that the scenario pads to.

    Raises:
        SelectionError: the design cannot run a sentence of that length, or the study has another
            cost model, whose mappings are not known here.
        UsageError: the encoder has no room for so many tokens.
    """
    spec = run.spec()
    if spec.cost_model.name != AnalyticModel.name:
        raise SelectionError(
            f"{run.path} was scored by cost model {spec.cost_model.name!r}: only "
            f"{AnalyticModel.name!r} has mappings to explain."
        )
    evaluation, scenario = Evaluation(spec, source_of_run(run)), spec.scenario.scenario()
    setting, hardware = evaluation.setting(knobs), design_point(knobs).hardware
    if tokens is None:
        tokens = scenario.padded_tokens or int(setting.trace.of(Split.SELECT).tokens.max())
    positions = setting.workload.shape.longest_sentence
    if not 1 <= tokens <= positions:
        raise UsageError(
            f"--tokens {tokens}: expected 1 to {positions}, the positions of "
            f"{setting.knobs.checkpoint}."
        )
    try:
        gemms = explained_gemms(
            setting.workload,
            AcceleratorColumns.from_knobs([hardware]),
            tokens,
            scenario,
            evaluation.technology,
        )
    except InfeasibleDesignError as error:
        raise SelectionError(
            f"Design {design_id}, sentence of {tokens_text(tokens)}: {error}"
        ) from error
    return ExplainedSentence(
        design_id=design_id, tokens=tokens, voltage_v=hardware.max_voltage_v, gemms=gemms
    )


def tokens_text(tokens: int) -> str:
    """A number of tokens in words.

    >>> tokens_text(1), tokens_text(66)
    ('1 token', '66 tokens')
    """
    return f"{tokens} token{'' if tokens == 1 else 's'}"


def _table(gemms: Sequence[ExplainedGemm]) -> Table:
    """One row a GEMM, look-up or group of special functions; a step is named once."""
    table = Table(header_style="bold", pad_edge=False, box=None)
    table.add_column("step", no_wrap=True)
    table.add_column("GEMM", no_wrap=True)
    table.add_column("M x K x N x count", no_wrap=True)
    table.add_column("order", no_wrap=True)
    for header in ("tile\nm x k", "weight\nreads", "cycles", "utilisation\n%", "time\nµs"):
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("bound", no_wrap=True)
    table.add_column("energy\nnJ", justify="right", no_wrap=True)
    named = ""
    for gemm in gemms:
        table.add_row(
            "" if gemm.step == named else gemm.step,
            gemm.name,
            _sizes(gemm),
            _order(gemm),
            "" if gemm.tile_rows is None else f"{gemm.tile_rows} x {gemm.tile_depth}",
            "" if gemm.weight_reads is None else str(gemm.weight_reads),
            f"{gemm.cycles:,.0f}",
            "" if gemm.utilisation is None else f"{gemm.utilisation * 100:.1f}",
            f"{gemm.time_ns / _NS_PER_US:,.2f}",
            gemm.bound,
            f"{gemm.energy_pj / _PJ_PER_NJ:,.2f}",
        )
        named = gemm.step
    return table


def _sizes(gemm: ExplainedGemm) -> str:
    """M x K x N x count; empty for what is no single GEMM."""
    if gemm.rows is None:
        return ""
    return f"{gemm.rows} x {gemm.depth} x {gemm.columns} x {gemm.count}"


def _order(gemm: ExplainedGemm) -> str:
    """What stays in the buffers, what units share, and whether a DRAM is passed through."""
    sharing = f", {gemm.shared} shared" if gemm.shared else ""
    return (gemm.order or "") + sharing + (", via DRAM" if gemm.through_dram else "")


def _document(sentence: ExplainedSentence) -> dict[str, Any]:
    """What ``--json`` prints."""
    return {
        "id": sentence.design_id,
        "tokens": sentence.tokens,
        "voltage_v": sentence.voltage_v,
        "time_ns": sentence.time_ns,
        "energy_pj": sentence.energy_pj,
        "time_shares": sentence.time_shares,
        "gemms": [asdict(gemm) for gemm in sentence.gemms],
    }
