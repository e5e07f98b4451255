"""Compiled functions: a cache that is safe across files, and one compilation for every call."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_type_hints

import numpy as np
import pytest
from numba.extending import is_jitted

from hw_cost import (
    CHOICES,
    AcceleratorColumns,
    Groups,
    Technology,
    Workload,
    breakdown,
    chip,
    compile_model,
    cost_table,
    stage_mapping,
    work,
)
from hw_cost.compiled import SOURCES, Compiler
from hw_cost.execution import _run
from hw_cost.parts import DRAM, PARTS
from hw_cost.sentence import sentence_costs
from hw_cost.stores import TENSOR_CLASSES
from search_space import CellKind, DramKind, MappingObjective, Scenario, ZeroGating

TINY = {
    "__init__.py": "",
    "compiling.py": """
from pathlib import Path
from hw_cost.compiled import Compiler
compiled = Compiler(Path(__file__).with_name(name) for name in ("caller.py", "callee.py"))
""",
    "callee.py": """
from tiny.compiling import compiled
@compiled()
def product(x):
    return 2 * x
""",
    "caller.py": """
from tiny.callee import product
from tiny.compiling import compiled
@compiled()
def answer(x):
    return product(x) + 1
""",
}
RUN = "from tiny.caller import answer; print(answer(20), sum(answer.stats.cache_hits.values()))"


def test_one_compilation_serves_every_call(
    make_workload: Callable[..., Workload],
    make_columns: Callable[..., AcceleratorColumns],
    make_groups: Callable[..., Groups],
    make_scenario: Callable[..., Scenario],
    technology: Technology,
) -> None:
    """One design or many, any store, table or breakdown: types are those compiled ahead."""
    compile_model()
    groups, scenario = make_groups((20, 3, 2), (9, 6, 6)), make_scenario()
    designs = [{"mac_vector_size": n, "dram": kind} for n in (4, 8) for kind in DramKind]
    for storage in (CellKind.SRAM, CellKind.DRAM):
        for columns in (make_columns(designs[1]), make_columns(*designs)):
            workload = make_workload(encoder_storage=storage)
            cost_table(workload, columns, groups, scenario, technology, with_core_energy=True)
            breakdown(workload, columns, groups, np.full(2, 0.5), scenario, technology)
    assert len(_run.signatures) == 1
    assert len(sentence_costs.signatures) == 1


def test_indices_of_compiled_functions_are_those_of_the_names() -> None:
    """Compiled functions know choices, tensor classes, stages and orders by their places."""
    gating, objectives = CHOICES["zero_gating"], CHOICES["mapping_objective"]
    assert gating[chip.UNGATED] is ZeroGating.NONE
    assert gating[chip.VECTOR_GATED] is ZeroGating.VECTOR
    assert objectives[stage_mapping.BY_LATENCY] is MappingObjective.LATENCY
    assert objectives[stage_mapping.BY_ENERGY] is MappingObjective.ENERGY
    assert TENSOR_CLASSES[chip.EMBEDDINGS] == "embeddings"
    assert TENSOR_CLASSES[chip.ENCODER] == "encoder"
    assert TENSOR_CLASSES[chip.EXITS] == "exits"
    assert stage_mapping.STAGES[stage_mapping.FFN_STAGE] == "ffn"
    assert stage_mapping.ORDERS[stage_mapping.WEIGHT_STATIONARY] == "weight-stationary"
    assert work.GEMMS[work.POOLER] == "pooler"
    assert PARTS[DRAM] == "dram"


def _origins(source: str) -> dict[str, str]:
    """The module that each imported name comes from."""
    return {
        alias.asname or alias.name: node.module
        for node in ast.parse(source).body
        if isinstance(node, ast.ImportFrom) and node.module is not None
        for alias in node.names
    }


def _modules_seen(name: str) -> Iterator[str]:
    """Modules that the compiled functions of a file take names and named tuples from."""
    module = importlib.import_module(f"hw_cost.{Path(name).stem}")
    origins = _origins(inspect.getsource(module))
    for value in vars(module).values():
        if is_jitted(value):
            yield from (origins.get(name, "") for name in value.py_func.__code__.co_names)
            hints = get_type_hints(value.py_func).values()
            yield from (hint.__module__ for hint in hints if hasattr(hint, "_fields"))


def test_every_file_that_compiled_functions_see_is_digested() -> None:
    """Functions, constants and named tuples of compiled functions come from digested files."""
    modules = {module for name in SOURCES for module in _modules_seen(name)}
    ours = {f"{m.removeprefix('hw_cost.')}.py" for m in modules if m.startswith("hw_cost.")}
    assert ours <= set(SOURCES)
    assert {"chip.py", "gemm.py", "parts.py", "sentence.py", "work.py"} <= ours


def test_a_compiled_function_of_another_file_is_refused(tmp_path: Path) -> None:
    """A function whose changes would go unseen is not compiled; the message names the cure."""
    (tmp_path / "known.py").write_text("")
    with pytest.raises(ValueError, match=r"test_compiled\.py .* _modules_seen, .* add it to them"):
        Compiler([tmp_path / "known.py"])()(_modules_seen)


def test_functions_stay_plain_where_numba_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """With NUMBA_DISABLE_JIT, as for a debugger, a function is what was written."""
    monkeypatch.setattr("numba.core.config.DISABLE_JIT", True)
    assert Compiler([Path(__file__)])()(_origins) is _origins


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """The folder of a package with a compiled function that calls one in another file."""
    (tmp_path / "tiny").mkdir()
    for name, text in TINY.items():
        (tmp_path / "tiny" / name).write_text(text)
    return tmp_path / "tiny"


@pytest.fixture
def start(tiny: Path, repository: Path) -> Callable[[], subprocess.Popen[str]]:
    """Starts a process that prints the answer of the tiny package, and how often it was loaded."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    path = os.pathsep.join([str(tiny.parent), str(repository)])
    cache = str(tiny.parent / "cache")
    env = {**kept, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "XDG_CACHE_HOME": cache}

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", RUN], env=env, stdout=subprocess.PIPE, text=True
        )

    return start


def _printed(process: subprocess.Popen[str]) -> str:
    out, _ = process.communicate(timeout=120)
    return out.strip()


@pytest.mark.slow
def test_a_change_in_another_file_is_compiled(
    tiny: Path, start: Callable[[], subprocess.Popen[str]]
) -> None:
    """What is on disk is loaded until a callee's file changes; then it is replaced, not kept."""
    assert _printed(start()) == "41 0"
    before = {path.name for path in (tiny / "__pycache__").iterdir()}
    assert _printed(start()) == "41 1"
    (tiny / "callee.py").write_text(TINY["callee.py"].replace("2 * x", "3 * x"))
    assert _printed(start()) == "61 0"
    after = {path.name for path in (tiny / "__pycache__").iterdir()}
    assert len(before) == len(after) == 4  # an index and the code of two functions
    assert before.isdisjoint(after)


@pytest.mark.slow
def test_several_processes_share_a_cache_away_from_a_read_only_package(
    tiny: Path, start: Callable[[], subprocess.Popen[str]]
) -> None:
    """Where nothing can be written beside the module, the user's cache folder serves all."""
    (tiny / "__pycache__").write_text("a file: no folder of that name can be made")
    assert {_printed(process).split()[0] for process in [start(), start(), start()]} == {"41"}
    assert _printed(start()) == "41 1"
    kept = [path for path in (tiny.parent / "cache").rglob("*") if path.is_file()]
    assert len(kept) == 4
