"""Finding the cost model that a study names, and what is told of one that is wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hw_cost import AnalyticModel, Technology
from hw_cost.plugins.zigzag_model import ZigZagModel
from hw_cost.testing import example_inputs
from studies import cost_models
from studies.cost_models import COST_MODELS, model_maker
from studies.spec import StudyFileError, read_spec, spec_of
from studies.spec_tables import CostModelTable
from tests.small_study import small_document, toml_text

MODEL = """
from __future__ import annotations
from dataclasses import dataclass
from hw_cost import AnalyticModel, Technology

@dataclass
class Model:
    technology: Technology
    factor: float = 1.0
    name = "mine"

    def cost_table(self, *asked):
        return AnalyticModel(self.technology).cost_table(*asked)

    def breakdown(self, *asked):
        return AnalyticModel(self.technology).breakdown(*asked)

class NoTable(Model):
    def cost_table(self, *asked):
        return None

    def breakdown(self, *asked):
        return {}

class OneDesign(Model):
    def cost_table(self, workload, columns, groups, scenario):
        return super().cost_table(workload, columns.take([0]), groups, scenario)

class Failing(Model):
    def cost_table(self, *asked):
        raise KeyError("n = 3")

class Refusing(Model):
    def __init__(self, technology):
        raise ValueError("no table\\nof that name")

class Nameless:
    def __init__(self, technology):
        pass

NUMBER = 3
"""

MakeModel = Callable[..., Any]


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A script with models, most of them wrong."""
    path = tmp_path_factory.mktemp("models") / "models.py"
    path.write_text(MODEL)
    return path


@pytest.fixture
def made(technology: Technology) -> MakeModel:
    """The model of a name and options."""
    return lambda name, **options: model_maker(CostModelTable(name=name, options=options))(
        technology
    )


def told_of(ask: Callable[..., Any], *arguments: Any, **options: Any) -> str:
    """The sentence that something is refused with: one line."""
    with pytest.raises(StudyFileError) as caught:
        ask(*arguments, **options)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence[-1] in ".?"
    return sentence


def test_ours_is_the_default(made: MakeModel, technology: Technology) -> None:
    """A study that names no model has ours."""
    default = spec_of(small_document(), "test").cost_model
    assert default == CostModelTable(name=AnalyticModel.name, options={})
    assert list(COST_MODELS) == [AnalyticModel.name, ZigZagModel.name]
    assert made(default.name) == AnalyticModel(technology)


def test_script(made: MakeModel, script: Path, technology: Technology) -> None:
    """A class of a script is made with the technology and its options."""
    model = made(f"{script}:Model", factor=2.5)
    assert model.name == f"{script}:Model"
    assert model.model.factor == 2.5
    asked = example_inputs()
    np.testing.assert_array_equal(
        model.cost_table(*asked).energy_pj, AnalyticModel(technology).cost_table(*asked).energy_pj
    )


def test_scripts_of_one_name(made: MakeModel, script: Path, tmp_path: Path) -> None:
    """Two scripts that are called the same do not get in each other's way, and none is a module."""
    other = tmp_path / "models.py"
    other.write_text(MODEL.replace("factor: float = 1.0", "factor: float = 7.0"))
    assert made(f"{other}:Model").model.factor == 7.0
    assert made(f"{script}:Model").model.factor == 1.0
    assert "models" not in sys.modules


def test_module(made: MakeModel, technology: Technology) -> None:
    """An installed module is named by its dotted path."""
    assert made("hw_cost.cost_model:AnalyticModel").model == AnalyticModel(technology)


def test_entry_point(
    made: MakeModel, technology: Technology, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package offers models by entry points; a name is never taken from ours."""
    offered = EntryPoints(
        EntryPoint(name, "hw_cost:AnalyticModel", cost_models.ENTRY_POINTS)
        for name in ("silicon", AnalyticModel.name)
    )
    monkeypatch.setattr(cost_models, "entry_points", lambda group: offered.select(group=group))
    assert made("silicon").model == AnalyticModel(technology)
    assert isinstance(made(AnalyticModel.name), AnalyticModel)
    assert "did you mean 'silicon'?" in told_of(made, "silikon")


class TestWrongModels:
    """Models that are not there, or are none."""

    @pytest.mark.parametrize(
        ("name", "parts"),
        [
            ("edge-des", ["'edge-des' is not known, did you mean 'edge-dse'?", "'file.py:Class'"]),
            ("models.py", ["'models.py' is not known: expected one of edge-dse"]),
            (":Model", ["':Model' is not known"]),
            ("hw_cost:", ["'hw_cost:' is not known"]),
            ("no_such_module:Model", ["cannot be imported (ModuleNotFoundError: No module named"]),
            ("/no/such/file.py:Model", ["cannot be imported (FileNotFoundError: no such file)"]),
            ("SCRIPT:Modle", ["models.py has no Modle, did you mean 'Model'?"]),
            ("SCRIPT:Quux", ["models.py has no Quux."]),
            ("SCRIPT:NUMBER", ["' is 3: expected a class."]),
            ("SCRIPT:Nameless", ["Nameless has no name and no cost_table and no breakdown"]),
            ("SCRIPT:Refusing", ["cannot be made with options {} (ValueError: no table of that"]),
        ],
    )
    def test_one_sentence(self, made: MakeModel, script: Path, name: str, parts: list[str]) -> None:
        """What is wrong is told in one line, with the nearest name where there is one."""
        told = told_of(made, name.replace("SCRIPT", str(script)))
        for part in ["cost_model '", *parts]:
            assert part in told

    def test_wrong_options(self, made: MakeModel, script: Path) -> None:
        """Options that a class does not take are named, of ours as well."""
        told = told_of(made, f"{script}:Model", faktor=2)
        assert "cannot be made with options {'faktor': 2} (TypeError: " in told
        assert "unexpected keyword argument 'faktor'" in told
        assert "cost_model 'edge-dse' cannot be made" in told_of(made, "edge-dse", x=1)

    def test_broken_script(self, made: MakeModel, tmp_path: Path) -> None:
        """A script that does not run is told with what it raised, and leaves no module behind."""
        path = tmp_path / "broken_model.py"
        path.write_text("class Model:\n    table = 1 / 0\n")
        assert "cannot be imported (ZeroDivisionError: " in told_of(made, f"{path}:Model")
        path.write_text("class Model(:\n")
        assert "cannot be imported (SyntaxError: " in told_of(made, f"{path}:Model")
        assert not [name for name in sys.modules if name.startswith("broken_model")]

    @pytest.mark.parametrize(
        ("name", "cost_table", "breakdown"),
        [
            ("NoTable", "cost_table gave a NoneType; expected a CostTable", "gave a dict"),
            ("OneDesign", r"energies of shape (1, 15); expected (6, 15), designs by groups", None),
            ("Failing", "cost_table failed (KeyError: 'n = 3')", None),
        ],
    )
    def test_wrong_answers(
        self,
        made: MakeModel,
        script: Path,
        name: str,
        cost_table: str,
        breakdown: str | None,
    ) -> None:
        """Answers that are none are told as the model's, not as a bug of ours."""
        model = made(f"{script}:{name}")
        workload, columns, groups, scenario = example_inputs()
        assert cost_table in told_of(model.cost_table, workload, columns, groups, scenario)
        if breakdown is not None:
            weights = np.full(len(groups), 1 / len(groups))
            told = told_of(model.breakdown, workload, columns, groups, weights, scenario)
            assert breakdown in told


class TestSpec:
    """The table of a study file."""

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("edge-dse", "edge-dse"),
            ("package.module:Class", "package.module:Class"),
            ("mine.py:Class", "FOLDER/mine.py:Class"),
            ("models/mine.py:Class", "FOLDER/models/mine.py:Class"),
            ("/elsewhere/mine.py:Class", "/elsewhere/mine.py:Class"),
        ],
    )
    def test_scripts_are_beside_the_study(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, expected: str
    ) -> None:
        """A relative path starts at the study file, wherever the command is run; it is not read."""
        folder = tmp_path / "studies"
        folder.mkdir()
        monkeypatch.chdir(tmp_path)
        table = {"name": name, "options": {"file": "table.csv", "sizes": [1, 2.5]}}
        (folder / "mine.toml").write_text(toml_text(small_document() | {"cost_model": table}))
        spec = read_spec(Path("studies", "mine.toml"))
        assert spec.cost_model.name == expected.replace("FOLDER", str(folder))
        assert spec.cost_model.options == table["options"]
        assert spec_of(spec.document(), "spec.json") == spec

    def test_wrong_tables(self) -> None:
        """Keys that are not known, and a name that is none, are refused."""
        for table, told in (
            ({"nmae": "x"}, "did you mean 'name'?"),
            ({"name": ""}, "'cost_model.name' has value ''"),
            ({"name": 3}, "'cost_model.name' has value 3"),
        ):
            with pytest.raises(StudyFileError, match="cost_model") as caught:
                spec_of(small_document() | {"cost_model": table}, "test")
            assert told in str(caught.value)
