"""What a run was asked, and where each of its values comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from dashboards.titles import entry_text, entry_title, words
from hw_cost import technology_constants
from studies.run_snapshot import RunSnapshot
from studies.search_tables import SearchTable
from studies.spec import StudySpec
from studies.spec_tables import EvaluatorTable, ScenarioTable, Table

_TABLES: Final[dict[str, type[Table]]] = {
    "scenario": ScenarioTable,
    "search": SearchTable,
    "evaluator": EvaluatorTable,
}
_SHOWN: Final = (
    "scenario.task",
    "scenario.sequences",
    "scenario.deadline_ms",
    "scenario.sentences_per_hour",
    "scenario.idle",
    "scenario.power_mode",
    "search.strategy",
    "search.trials",
    "search.seed",
    "evaluator.kind",
)
_PRESETS: Final = ("scenario.envm_preset", "scenario.logic_preset", "scenario.node_nm")


def origin_entries(snapshot: RunSnapshot, path: Path) -> list[tuple[str, str]]:
    """Name and value of what the run is traced by, each with its origin in brackets."""
    spec, record = snapshot.spec, snapshot.front.provenance
    entries = [
        ("Folder", str(path)),
        ("Technology", _technology(spec)),
        *((_title(name), _set_text(spec, name)) for name in _SHOWN),
        ("Sampler", f"{spec.search.sampler.name} {_options(spec)}".strip()),
        ("Objectives", f"{', '.join(o.metric for o in spec.objectives)} (study)"),
        ("Constraints", _constraints(spec)),
    ]
    for name in ("data_sha256", "commit", "machine"):
        if name in record:
            entries.append((_title(name), f"{_short(name, record[name])} (recorded)"))
    if snapshot.front.stopped:
        entries.append(("Ended because", snapshot.front.stopped))
    return entries


def _title(dotted: str) -> str:
    known = {"data_sha256": "Data SHA-256", "evaluator.kind": "Evaluator"}
    return known.get(dotted) or entry_title(dotted.rpartition(".")[2])


def _technology(spec: StudySpec) -> str:
    scenario = spec.scenario
    presets = (scenario.envm_preset, scenario.logic_preset, scenario.node_nm)
    marks: dict[str, int] = {}
    for constant in technology_constants(*presets):
        marks[str(constant.mark.value)] = marks.get(str(constant.mark.value), 0) + 1
    counted = ", ".join(f"{count} {mark}" for mark, count in marks.items())
    origin = "default" if all(_is_default(spec, name) for name in _PRESETS) else "study"
    logic = "" if scenario.logic_preset == "default" else f", logic {words(scenario.logic_preset)}"
    return (
        f"{scenario.node_nm} nm{logic}, {scenario.envm_preset} eNVM "
        f"(constants: {counted}; 'dse sources' lists them) ({origin})"
    )


def _set_text(spec: StudySpec, dotted: str) -> str:
    """A value of the study with whether the study sets it or it is the default."""
    table, _, key = dotted.partition(".")
    value = getattr(getattr(spec, table), key)
    return f"{entry_text(value)} ({'default' if _is_default(spec, dotted) else 'study'})"


def _is_default(spec: StudySpec, dotted: str) -> bool:
    """Whether an entry has the value that it has where the study leaves it out."""
    table, _, key = dotted.partition(".")
    field = _TABLES[table].model_fields[key]
    if field.is_required():
        return False
    default = field.get_default(call_default_factory=True)
    return bool(getattr(getattr(spec, table), key) == default)


def _constraints(spec: StudySpec) -> str:
    texts = [constraint.text for constraint in spec.constraints]
    return f"{'; '.join(texts)} (study)" if texts else "none (default)"


def _options(spec: StudySpec) -> str:
    options = spec.search.sampler.options
    return f"with {entry_text(options)} (study)" if options else "(study)"


def _short(name: str, value: Any) -> str:
    text = entry_text(value)
    return f"{text[:16]}…" if name.endswith("sha256") and len(text) > 24 else text
