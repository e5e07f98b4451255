"""Study files: what they say, and one sentence for whatever is wrong in them."""

from __future__ import annotations

import json
import tomllib
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from search_space import EXIT_KNOBS, KNOBS, IdleAccounting
from studies.presets import PRESETS, load_study, preset_names
from studies.spec import StudyFileError, StudySpec, json_schema, read_spec, spec_of
from tests.small_study import changed, small_document, tiny_document


def refusal(changes: dict[str, Any]) -> str:
    """What is said of the small study with these changes."""
    with pytest.raises(StudyFileError) as caught:
        spec_of(changed(small_document(), changes), "study.toml")
    return str(caught.value)


class TestValidStudies:
    """A study that can be."""

    def test_document_round_trips(self) -> None:
        """The tables of a spec, through JSON, make the same spec again."""
        spec = spec_of(small_document(), "test")
        assert spec_of(json.loads(json.dumps(spec.document())), "test") == spec

    def test_file_is_read(self, tmp_path: Path) -> None:
        """A TOML file and the JSON of its tables say the same study."""
        toml, plain = tmp_path / "study.toml", tmp_path / "spec.json"
        toml.write_text((PRESETS / "edgebert-sst2.toml").read_text())
        plain.write_text(json.dumps(load_study("edgebert-sst2").document()))
        assert read_spec(toml) == read_spec(plain)

    def test_defaults(self) -> None:
        """Evaluator, search, constraints and conditions may be left out."""
        document = small_document()
        for name in ("evaluator", "search", "constraints", "conditions"):
            del document[name]
        spec = spec_of(document, "test")
        assert (spec.search.strategy, spec.search.sampler.name) == ("nested", "nsga2")
        assert spec.evaluator.kind == "recorded"
        assert spec.constraints == []

    def test_scenario(self) -> None:
        """The scenario becomes the value that the cost model knows, padding as a number."""
        document = changed(small_document(), {"scenario.sequences": "padded(64)"})
        scenario = spec_of(document, "test").scenario.scenario()
        assert scenario.padded_tokens == 64
        assert scenario.idle is IdleAccounting.LEAKAGE
        assert spec_of(small_document(), "test").scenario.scenario().padded_tokens is None

    @pytest.mark.parametrize(
        ("text", "upper", "bound"),
        [
            ("area_mm2 <= 3", True, 3.0),
            (" accuracy>=0.85 ", False, 0.85),
            ("power_mw <= 1e-3", True, 0.001),
        ],
    )
    def test_constraints(self, text: str, upper: bool, bound: float) -> None:
        """A constraint is a metric, a side and a number, and keeps its text."""
        document = changed(small_document(), {"constraints": [text]})
        (constraint,) = spec_of(document, "test").constraints
        assert (constraint.upper, constraint.bound) == (upper, bound)
        assert constraint.text == text.strip()

    def test_ranges(self) -> None:
        """A linear range keeps whole knobs whole; a log range is laid out in equal ratios."""
        document = changed(
            small_document(),
            {
                "space.mac_vector_size": {"low": 4, "high": 16, "step": 4},
                "space.envm_mib": {"low": 0.25, "high": 4, "count": 5, "log": True},
                "space.min_voltage_v": [0.5, 1],
            },
        )
        space = spec_of(document, "test").search_space()
        assert space["mac_vector_size"].values == (4, 8, 12, 16)
        assert {type(v) for v in space["mac_vector_size"].values} == {int}
        assert space["envm_mib"].values == (0.25, 0.5, 1.0, 2.0, 4.0)
        assert space["envm_mib"].log
        assert {type(v) for v in space["min_voltage_v"].values} == {float}

    def test_overrides(self) -> None:
        """Values are replaced by dotted name, and everything else stays."""
        spec = spec_of(small_document(), "test")
        other = spec.with_overrides({"search.trials": 99, "evaluator.kind": "live"})
        assert (other.search.trials, other.evaluator.kind) == (99, "live")
        assert other.document() == changed(
            spec.document(), {"search.trials": 99, "evaluator.kind": "live"}
        )

    def test_wrong_override(self) -> None:
        """An override that cannot be is told like a wrong value of the file."""
        with pytest.raises(StudyFileError, match=r"^command line: 'search.trials' has value -1: "):
            spec_of(small_document(), "test").with_overrides({"search.trials": -1})

    def test_a_joint_study_samples_storage(self) -> None:
        """What enumerates storage samples it as a joint study, unless that is asked for."""
        nested = spec_of(changed(small_document(), {"search.storage": "enumerated"}), "test")
        assert nested.with_overrides({"search.trials": 3}).search.storage == "enumerated"
        assert nested.with_overrides({"search.strategy": "joint"}).search.storage == "sampled"
        with pytest.raises(StudyFileError, match="storage is enumerated by nested studies"):
            nested.with_overrides({"search.strategy": "joint", "search.storage": "enumerated"})

    @pytest.mark.parametrize("own", ["fronts", "listed"])
    def test_a_joint_study_has_a_sampler_of_its_own(self, own: str) -> None:
        """A sampler of nested studies alone gives way to the default, unless it is asked for."""
        nested = spec_of(changed(small_document(), {"search.sampler": {"name": own}}), "test")
        joint = {"search.strategy": "joint"}
        assert nested.with_overrides(joint).search.sampler.name == "nsga2"
        other = nested.with_overrides({**joint, "search.sampler.name": "tpe"})
        assert other.search.sampler.name == "tpe"
        with pytest.raises(StudyFileError, match=f"'{own}' .* which a joint study has not"):
            nested.with_overrides({**joint, "search.sampler.name": own})

    @pytest.mark.parametrize("document", [small_document(), tiny_document()])
    def test_size_of_the_space(self, document: dict[str, Any]) -> None:
        """The size of a space is the number of distinct designs that a brute force counts."""
        space = spec_of(document, "test").search_space()
        found = set()
        for values in product(*(dimension.values for dimension in space.dimensions)):
            point = space.canonical(dict(zip(KNOBS, values, strict=True)))
            if space.violation(point) is None:
                found.add(tuple(point.values()))
        assert space.size() == len(found)


WRONG: list[tuple[dict[str, Any], list[str]]] = [
    # A key that is not known, at each level.
    ({"titel": "x"}, ["'titel'", "did you mean 'title'?"]),
    ({"scenario.deadlin_ms": 1}, ["'scenario.deadlin_ms'", "did you mean 'deadline_ms'?"]),
    ({"evaluator.cach": "x"}, ["'evaluator.cach'", "did you mean 'cache'?"]),
    ({"evaluator.cache_mib": 0}, ["'evaluator.cache_mib' has value 0", "greater than 0"]),
    ({"evaluator.kindd": "x"}, ["'evaluator.kindd'", "did you mean 'kind'?"]),
    ({"objectives.0.axes": "linear"}, ["'objectives.0.axes'", "did you mean 'axis'?"]),
    ({"search.trails": 1}, ["'search.trails'", "did you mean 'trials'?"]),
    ({"search.sampler.nam": "x"}, ["'search.sampler.nam'", "did you mean 'name'?"]),
    (
        {"space.mac_vector_size": {"low": 1, "high": 2, "stepp": 1}},
        ["'space.mac_vector_size.stepp'", "did you mean 'step'?"],
    ),
    # Names that are not known.
    ({"space.mac_vector_sise": 1}, ["'mac_vector_sise'", "did you mean 'mac_vector_size'?"]),
    ({"objectives.0.metric": "acuracy"}, ["'acuracy'", "did you mean 'accuracy'?"]),
    ({"constraints": ["aria_mm2 <= 3"]}, ["'aria_mm2 <= 3'", "did you mean 'area_mm2'?"]),
    ({"search.sampler.name": "nsga22"}, ["'nsga22'", "did you mean 'nsga2'?"]),
    ({"search.strategy": "nestd"}, ["'nestd'", "did you mean 'nested'?"]),
    ({"conditions": ["mac_vector_sise <= 3"]}, ["did you mean 'mac_vector_size'?"]),
    (
        {"space.exit_policy": ["none", "confidence"]},
        ["'confidence_threshold' is missing", "exit policy 'confidence' looks at it"],
    ),
    ({"space.exit_policy": "patience"}, ["'patience' is missing", "exit policy 'patience'"]),
    (
        {"scenario.task": "STS-B", "space.exit_policy": "patience", "space.patience": [1, 2]},
        ["'patience_tolerance' is missing", "exit policy 'patience'"],
    ),
    (
        {"space.patience": 2.5, "space.exit_policy": "patience"},
        ["'patience'", "expected a whole number"],
    ),
    ({"space.confidence_threshold": 90}, ["confidence_threshold 90.0: expected 0 to 1"]),
    (
        {"space.patience_tolerance": [0.25, 0.5]},
        ["'patience_tolerance' has 2 values", "SST-2", "leave it out"],
    ),
    ({"space.exit_policy": "entropie"}, ["'entropie'", "none, entropy, latency-aware"]),
    ({"space.encoder_storage": ["sram", "rram"]}, ["'rram'", "reram-slc"]),
    ({"space.weight_format": "float8"}, ["'float8'", "'adaptivfloat<8,3>'"]),
    ({"scenario.task": "SST2"}, ["'scenario.task'", "'SST2'", "did you mean 'SST-2'?"]),
    ({"scenario.task": ["RTE", "SST2"]}, ["'scenario.task.1'", "'SST2'", "mean 'SST-2'?"]),
    ({"scenario.task": 3}, ["'scenario.task", "3"]),
    (
        {"evaluator.checkpoints": {"mine": 3}},
        ["'evaluator.checkpoints.mine' has value 3", "a table with one for each task"],
    ),
    (
        {"scenario.task": "STS-B"},
        ["exit_policy 'entropy' needs class", "STS-B is a regression", "'patience'"],
    ),
    # Ranges and choices that cannot be.
    ({"space.envm_mib": {"low": 1, "high": 2}}, ["'envm_mib'", "a linear range needs 'step'"]),
    ({"space.envm_mib": {"low": 2, "high": 1, "step": 1}}, ["'envm_mib'", "low <= high"]),
    ({"space.envm_mib": {"low": 1, "high": 2, "step": 0}}, ["'envm_mib'", "step > 0"]),
    (
        {"space.envm_mib": {"low": 0, "high": 2, "count": 3, "log": True}},
        ["'envm_mib'", "expected 0 < low < high"],
    ),
    (
        {"space.envm_mib": {"low": 1, "high": 2, "step": 1, "log": True}},
        ["'envm_mib'", "a log range needs 'count' and no 'step'"],
    ),
    ({"space.envm_mib": {"low": 1, "step": 1}}, ["'space.envm_mib.high' is missing"]),
    (
        {"space.envm_mib": {"low": 0, "high": 1e9, "step": 1e-9}},
        ["'envm_mib'", "expected at most 10000 values"],
    ),
    (
        {"space.envm_mib": {"low": 1, "high": 2, "count": 10**9, "log": True}},
        ["'envm_mib'", "1000000000", "expected at most 10000"],
    ),
    ({"space.envm_mib": []}, ["'envm_mib'", "expected at least one"]),
    ({"space.envm_mib": [1, 1.0]}, ["'envm_mib'", "twice"]),
    ({"space.envm_mib": [[1]]}, ["'envm_mib'", "[[1]]", "a list of values"]),
    ({"space.envm_mib": True}, ["'envm_mib'", "True", "expected numbers or text"]),
    ({"space.envm_mib": "8"}, ["'envm_mib'", "'8'", "expected a number"]),
    ({"space.mac_vector_size": [8.5]}, ["'mac_vector_size'", "8.5", "expected a whole number"]),
    ({"space.mac_vector_size": [0, 8]}, ["mac_vector_size 0", "expected more than 0"]),
    ({"space.encoder_sparsity": [0.0, 1.5]}, ["encoder_sparsity 1.5", "0 to below 1"]),
    ({"space.entropy_threshold": -1.0}, ["entropy_threshold -1.0", "expected 0 or more"]),
    ({"space.checkpoint": {"low": 1, "high": 2, "step": 1}}, ["'checkpoint'", "expected text"]),
    # Constraints and conditions that cannot be read.
    ({"constraints": ["area_mm2 < 3"]}, ["'area_mm2 < 3'", "'metric <= number' or '>='"]),
    ({"constraints": ["area_mm2 <= 3..4"]}, ["'area_mm2 <= 3..4'", "'metric <= number'"]),
    ({"constraints": ["area_mm2 <= 1e999"]}, ["constraints.0", "inf", "finite"]),
    ({"constraints": [3]}, ["constraints.0", "3", "expected text"]),
    ({"conditions": ["mac_vector_size"]}, ["'mac_vector_size'", "expected a comparison"]),
    ({"conditions": ["mac_vector_size <"]}, ["'mac_vector_size <'", "cannot be read"]),
    ({"conditions": ["__import__('os') == 1"]}, ["is refused"]),
    ({"conditions": [3]}, ["'conditions.0'", "3", "string"]),
    # Objectives that contradict themselves.
    ({"objectives.0.ideal": 0.3}, ["ideal 0.3 of accuracy", "better than reference 0.4"]),
    ({"objectives.1.ideal": 1e10}, ["ideal 10000000000.0 of energy_pj", "minimize"]),
    ({"objectives.1.ideal": 0}, ["log10 axis of energy_pj", "above 0"]),
    ({"objectives.0.ideal": float("nan")}, ["'objectives.0.ideal'", "nan", "finite"]),
    ({"objectives": []}, ["'objectives'", "at least 2"]),
    # Values of a wrong type or size.
    ({"search.trials": "many"}, ["'search.trials'", "'many'", "integer"]),
    ({"search.trials": "12"}, ["'search.trials'", "'12'", "integer"]),
    ({"search.trials": True}, ["'search.trials'", "True", "integer"]),
    ({"search.trials": 0}, ["'search.trials'", "0", "greater than 0"]),
    ({"search.seed": -1}, ["'search.seed'", "-1"]),
    ({"search.sampler.options": {"n": "x"}}, ["'search.sampler.options.n'", "'x'"]),
    ({"scenario.deadline_ms": 0}, ["'scenario.deadline_ms'", "greater than 0"]),
    ({"scenario.deadline_ms": "6"}, ["'scenario.deadline_ms'", "'6'", "number"]),
    ({"scenario.sequences": "padded"}, ["scenario.sequences", "'padded(N)'"]),
    ({"scenario": "x"}, ["'scenario'", "'x'", "expected a table"]),
    ({"title": ""}, ["'title'", "at least 1 character"]),
    ({"title": 3}, ["'title'", "3", "string"]),
    ({"format": 2}, ["'format'", "2"]),
]


class TestWrongStudies:
    """A study that cannot be."""

    @pytest.mark.parametrize(("changes", "parts"), WRONG, ids=lambda v: str(v)[:60])
    def test_one_sentence(self, changes: dict[str, Any], parts: list[str]) -> None:
        """What is wrong is told in one line: where, the value, what was expected or is near."""
        message = refusal(changes)
        assert message.startswith("study.toml: ")
        assert message.endswith((".", "?"))
        assert "\n" not in message
        assert "?." not in message
        for part in parts:
            assert part in message

    @pytest.mark.parametrize(
        ("path", "told"),
        [
            (["title"], "key 'title' is missing; add it."),
            (["scenario", "task"], "key 'scenario.task' is missing; add it."),
            (["scenario"], "key 'scenario' is missing; add it."),
            (["objectives"], "key 'objectives' is missing; add it."),
            (["space", "envm_mib"], "knob 'envm_mib' is missing: give it a value"),
            (
                ["space", "entropy_threshold"],
                "knob 'entropy_threshold' is missing, and exit policy 'entropy' looks at it: give",
            ),
        ],
    )
    def test_missing_key(self, path: list[str], told: str) -> None:
        """A missing key or knob is named."""
        document = table = small_document()
        for name in path[:-1]:
            table = table[name]
        del table[path[-1]]
        with pytest.raises(StudyFileError, match=told):
            spec_of(document, "study.toml")

    def test_duplicate_objective(self) -> None:
        """An objective that is listed twice is named with the others."""
        document = small_document()
        document["objectives"].append(document["objectives"][0])
        with pytest.raises(StudyFileError, match=r"listed twice: accuracy, .*, accuracy\.$"):
            spec_of(document, "study.toml")

    @pytest.mark.parametrize("document", [[], 3, None, "x"])
    def test_not_a_table(self, document: Any) -> None:
        """A document that is no table is refused."""
        with pytest.raises(StudyFileError, match=r"^study\.toml: expected a table\.$"):
            spec_of(document, "study.toml")

    @pytest.mark.parametrize(
        ("name", "content", "told"),
        [
            ("study.toml", b"title = ", "not valid TOML"),
            ("study.toml", b"\xff\xfe", "cannot be read as a study file"),
            ("spec.json", b"{", "not valid JSON"),
        ],
    )
    def test_damaged_file(self, tmp_path: Path, name: str, content: bytes, told: str) -> None:
        """A file that is not what its name says is named, with what is wrong."""
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(StudyFileError, match=told) as caught:
            read_spec(path)
        assert str(caught.value).startswith(str(path))
        assert "\n" not in str(caught.value)

    def test_missing_file(self, tmp_path: Path) -> None:
        """A file that is not there is named."""
        with pytest.raises(StudyFileError, match="cannot be read as a study file"):
            read_spec(tmp_path / "none.toml")


class TestPresets:
    """The shipped study files."""

    @pytest.mark.parametrize("name", preset_names())
    def test_loads(self, name: str) -> None:
        """Every preset is a study, by its name and as a file."""
        spec = load_study(name)
        assert isinstance(spec, StudySpec)
        assert load_study(str(PRESETS / f"{name}.toml")) == spec
        assert spec.search_space().size() > 1

    @pytest.mark.parametrize("wrong", ["edgebert-sst", "no/such/file.toml", "."])
    def test_unknown(self, wrong: str) -> None:
        """What is neither preset nor file is told with the presets there are."""
        with pytest.raises(StudyFileError, match="neither a file nor a preset") as caught:
            load_study(wrong)
        assert "edgebert-sst2" in str(caught.value)
        assert ("did you mean 'edgebert-sst2'?" in str(caught.value)) == (wrong == "edgebert-sst")


@pytest.fixture(scope="module")
def jsonschema() -> Any:
    """The package, which Ray brings along."""
    return pytest.importorskip("jsonschema")


class TestSchema:
    """The JSON schema of study files."""

    def test_is_shipped(self, repository: Path) -> None:
        """The shipped schema is the one of the code; `make schema` writes it."""
        shipped = json.loads((repository / "studies" / "study.schema.json").read_text())
        assert shipped == json_schema()

    @pytest.mark.parametrize("name", preset_names())
    def test_presets_are_valid(self, jsonschema: Any, name: str) -> None:
        """The schema is one, and every preset meets it."""
        jsonschema.Draft202012Validator.check_schema(json_schema())
        document = tomllib.loads((PRESETS / f"{name}.toml").read_text())
        jsonschema.validate(document, json_schema())

    @pytest.mark.parametrize(
        "changes",
        [{"titel": "x"}, {"constraints": ["area_mm2 < 3"]}, {"search.trials": 0}, {"format": 2}],
    )
    def test_wrong_studies_are_not(self, jsonschema: Any, changes: dict[str, Any]) -> None:
        """What the code refuses, the schema refuses where a schema can tell."""
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(changed(small_document(), changes), json_schema())


def test_knobs_of_policies_that_are_not_named_may_be_left_out() -> None:
    """A study names the knobs of its own exit policies, and no others."""
    document = small_document()
    del document["space"]["entropy_threshold"]
    document["space"] |= {"exit_policy": ["none", "patience"], "patience": [1, 2, 3]}
    exits = spec_of(document, "test").search_space().points(EXIT_KNOBS)
    assert [(point["exit_policy"], point["patience"]) for point in exits] == [
        ("none", 1),
        ("patience", 1),
        ("patience", 2),
        ("patience", 3),
    ]


def test_space_of_the_preset_has_no_new_exits() -> None:
    """The shipped study names three policies: one setting without exit, 34 of each other."""
    exits = load_study("edgebert-sst2").search_space().points(EXIT_KNOBS)
    assert len(exits) == 1 + 2 * 34
    assert {point["confidence_threshold"] for point in exits} == {1.0}


def test_a_regression_takes_patience_and_its_tolerance() -> None:
    """Of STS-B the values of the tolerance are a dimension beside those of the patience."""
    document = small_document()
    document["scenario"]["task"] = "STS-B"
    document["space"] |= {
        "exit_policy": ["none", "patience"],
        "patience": [1, 2],
        "patience_tolerance": [0.25, 0.5],
    }
    exits = spec_of(document, "test").search_space().points(EXIT_KNOBS)
    assert [
        (point["patience"], point["patience_tolerance"])
        for point in exits
        if point["exit_policy"] == "patience"
    ] == [(1, 0.25), (1, 0.5), (2, 0.25), (2, 0.5)]
    assert len(exits) == 5
