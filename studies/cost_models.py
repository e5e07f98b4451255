"""Cost models by name: that of this project, and those that users bring along.

Nothing is imported but what the study names, and that only when a design is to be scored.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Final, TypeVar

from hw_cost import (
    AcceleratorColumns,
    AnalyticModel,
    Breakdown,
    CostModel,
    CostTable,
    Groups,
    Technology,
    Workload,
)
from hw_cost.cost_model import MakeModel
from hw_cost.plugins.zigzag_model import ZigZagModel
from hw_cost.units import Floats
from search_space import Scenario, nearest
from studies.spec import StudyFileError
from studies.spec_tables import CostModelTable

COST_MODELS: Final[Mapping[str, Callable[..., CostModel]]] = {
    AnalyticModel.name: AnalyticModel,
    ZigZagModel.name: ZigZagModel,
}
"""Classes of the shipped models by name."""

ENTRY_POINTS: Final = "edge_dse.cost_models"
"""Group of entry points in which an installed package offers its own."""

_NEEDED: Final = ("name", "cost_table", "breakdown")

Result = TypeVar("Result")


def model_maker(table: CostModelTable) -> MakeModel:
    """What makes the model of a study from a technology; a class is imported right away.

    Raises:
        StudyFileError: there is no such model, or it cannot be imported. Making it raises the same
            if the class refuses the options or what it makes is no cost model.
    """
    name, options = table.name, dict(table.options)
    model_class = COST_MODELS[name] if name in COST_MODELS else _own_class(name)

    def made(technology: Technology) -> CostModel:
        model = _tried(
            lambda: model_class(technology=technology, **options),
            f"cost_model {name!r} cannot be made with options {options}",
        )
        missing = [attribute for attribute in _NEEDED if not hasattr(model, attribute)]
        if missing:
            raise StudyFileError(
                f"cost_model {name!r}: {type(model).__name__} has no {' and no '.join(missing)}; "
                f"expected {', '.join(_NEEDED)}."
            )
        return model if name in COST_MODELS else OwnModel(name, model)

    return made


@dataclass(frozen=True, slots=True)
class OwnModel:
    """A user's model whose failures are told as the model's, with its answers' shapes checked.

    Attributes:
        name: as in the study file.
        model: the user's.
    """

    name: str
    model: CostModel

    def cost_table(
        self, workload: Workload, columns: AcceleratorColumns, groups: Groups, scenario: Scenario
    ) -> CostTable:
        """The user's table.

        Raises:
            StudyFileError: the model failed, or the table is not one of these designs and groups.
        """
        table = self._asked(
            "cost_table", lambda: self.model.cost_table(workload, columns, groups, scenario)
        )
        if not isinstance(table, CostTable):
            raise StudyFileError(
                f"cost_model {self.name!r}: cost_table gave a {type(table).__name__}; expected a "
                "CostTable, as CostTable.of makes it."
            )
        expected = len(columns), len(groups)
        if table.energy_pj.shape != expected:
            raise StudyFileError(
                f"cost_model {self.name!r}: cost_table gave energies of shape "
                f"{table.energy_pj.shape}; expected {expected}, designs by groups."
            )
        return table

    def breakdown(
        self,
        workload: Workload,
        columns: AcceleratorColumns,
        groups: Groups,
        weights: Floats,
        scenario: Scenario,
    ) -> Breakdown:
        """The user's breakdown.

        Raises:
            StudyFileError: the model failed, or gave something else.
        """
        parts = self._asked(
            "breakdown",
            lambda: self.model.breakdown(workload, columns, groups, weights, scenario),
        )
        if not isinstance(parts, Breakdown):
            raise StudyFileError(
                f"cost_model {self.name!r}: breakdown gave a {type(parts).__name__}; expected a "
                "Breakdown."
            )
        return parts

    def _asked(self, method: str, ask: Callable[[], Result]) -> Result:
        return _tried(ask, f"cost_model {self.name!r}: {method} failed")


def _own_class(name: str) -> Callable[..., CostModel]:
    """The class that ``file.py:Class``, ``module:Class`` or the name of an entry point names."""
    offered = entry_points(group=ENTRY_POINTS)
    what = f"cost_model {name!r} cannot be imported"
    if name in offered.names:
        found: Any = _tried(offered[name].load, what)
    else:
        place, _, class_name = name.rpartition(":")
        if not place or not class_name:
            known = [*COST_MODELS, *sorted(offered.names)]
            raise StudyFileError(
                f"cost_model {name!r} is not known{nearest(name, known)}: expected one of "
                f"{', '.join(known)}, or 'file.py:Class', or 'module:Class'."
            )
        module = _tried(lambda: _module(place), what)
        if not hasattr(module, class_name):
            raise StudyFileError(
                f"cost_model {name!r}: {place} has no {class_name}"
                f"{_ended(nearest(class_name, vars(module)))}"
            )
        found = getattr(module, class_name)
    if not callable(found):
        raise StudyFileError(f"cost_model {name!r} is {found!r}: expected a class.")
    model_class: Callable[..., CostModel] = found
    return model_class


def _module(place: str) -> ModuleType:
    """The module of that name, or the script at that path, run anew."""
    if not place.endswith(".py"):
        return importlib.import_module(place)
    path = Path(place).absolute()
    if not path.is_file():
        raise FileNotFoundError("no such file")
    # A name that no module has: two scripts may be called the same.
    name = f"{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError("not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look up the module of their class there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _tried(do: Callable[[], Result], what: str) -> Result:
    """What a user's code gives; whatever it raises is told in one line.

    Raises:
        StudyFileError: it raised something.
    """
    try:
        return do()
    except StudyFileError:
        raise
    except Exception as error:
        said = " ".join(str(error).split())
        kind = type(error).__name__
        raise StudyFileError(f"{what} ({kind}{': ' if said else ''}{said}).") from error


def _ended(hint: str) -> str:
    """The hint as the end of a sentence."""
    return hint or "."
