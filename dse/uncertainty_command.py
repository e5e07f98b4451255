"""``dse pareto --uncertainty``: what the ranges of the constants make of a front."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from dse.rescored import RescoredDesigns, number, source_of_run
from dse.runs import RunFolder
from dse.tables import TABLE_WIDTH, spread
from studies.metrics import metric_of
from studies.records import Front, FrontDesign
from studies.rescoring import FIGURES
from studies.uncertainty import Interval, intervals, shares_kept, shares_on_front

SEED: Final = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UncertainDesign:
    """One design of a front under sampled constants.

    Attributes:
        design: as recorded.
        figures: each of `FIGURES` under the study's own constants, and where most samples lie.
        kept_share: share of the samples in which it runs and keeps the study's constraints.
        front_share: share of the samples in which it is on the front of these designs.
    """

    design: FrontDesign
    figures: dict[str, tuple[float, Interval]]
    kept_share: float
    front_share: float


def print_uncertainty(run: RunFolder, samples: int, rows: int, as_json: bool) -> None:
    """Print every design of a run's front with the intervals of its figures.

    Args:
        run: a finished run.
        samples: of the constants.
        rows: of the table; 0 for all.
        as_json: print JSON instead, all designs.
    """
    front = run.front_record()
    found = uncertain_designs(run, front, samples)
    if as_json:
        print(json.dumps([_document(uncertain) for uncertain in found], indent=1))
        return
    if not found:
        print("The front is empty: no design meets the constraints.")
        return
    positions = spread(len(found), rows or len(found))
    table = _table([found[i] for i in positions], front.scenario.get("task"))
    Console(width=max(TABLE_WIDTH, Console().width)).print(table)
    stays = sum(uncertain.front_share >= 0.5 for uncertain in found)
    print(
        f"\nShown: {len(positions)} of {len(found)} designs. {stays} stay on the front in at least "
        f"half of {samples} samples of the constants (seed {SEED}); (a to b) is 5-95 % of them."
    )


def uncertain_designs(run: RunFolder, front: Front, samples: int) -> list[UncertainDesign]:
    """The designs of a front under the same sampled constants."""
    if not front.designs:
        return []
    spec = run.spec()
    knobs = [design.knobs for design in front.designs]
    designs = RescoredDesigns.of(spec, source_of_run(run), knobs)
    base = designs.rescoring.under(designs.technology)
    sampled = designs.sampled(samples, SEED)
    found = {name: intervals(sampled[name]) for name in FIGURES}
    kept = shares_kept(sampled, spec.constraints)
    on_front = shares_on_front(sampled, spec.objectives, spec.constraints)
    return [
        UncertainDesign(
            design=design,
            figures={name: (float(base[name][i]), found[name][i]) for name in FIGURES},
            kept_share=float(kept[i]),
            front_share=float(on_front[i]),
        )
        for i, design in enumerate(front.designs)
    ]


def _table(found: list[UncertainDesign], task: object) -> Table:
    """One row a design of a front on that task."""
    table = Table(header_style="bold", pad_edge=False, box=None)
    table.add_column("id", justify="right", no_wrap=True)
    primary = metric_of("accuracy", task)
    table.add_column(f"{primary.title}\n{primary.unit}", justify="right", no_wrap=True)
    for name in FIGURES:
        about = metric_of(name)
        table.add_column(f"{about.title}\n{about.unit}", no_wrap=True)
    table.add_column("keeps constraints\n% of samples", justify="right", no_wrap=True)
    table.add_column("on the front\n% of samples", justify="right", no_wrap=True)
    for uncertain in found:
        table.add_row(
            str(uncertain.design.id),
            f"{uncertain.design.metrics['accuracy'].value * 100:.4g}",
            *(_interval_text(name, *uncertain.figures[name]) for name in FIGURES),
            f"{uncertain.kept_share * 100:.0f}",
            f"{uncertain.front_share * 100:.0f}",
        )
    return table


def _interval_text(name: str, value: float, interval: Interval) -> str:
    scale = metric_of(name).scale
    return f"{value * scale:.3g} ({interval.low * scale:.3g} to {interval.high * scale:.3g})"


def _document(uncertain: UncertainDesign) -> dict[str, Any]:
    """One design as JSON."""
    return {
        "id": uncertain.design.id,
        **{
            name: {"value": number(value), "p05": number(ends.low), "p95": number(ends.high)}
            for name, (value, ends) in uncertain.figures.items()
        },
        "kept_share": uncertain.kept_share,
        "front_share": uncertain.front_share,
    }
