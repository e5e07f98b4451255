"""`dse train`: any task from one command, on made-up rows and tiny encoders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dse.cli import main
from evaluators import recipe_runs
from evaluators.checkpoint_folders import load_checkpoint
from evaluators.encoders import ExitHead
from evaluators.recipes import RECIPES
from evaluators.tasks import GlueTask, glue_task
from tests.generated_glue import CONFIG, shrunk, write_generated_task, write_tiny_checkpoint

AWARE = """
title = "tiny"
initial = "{initial}"
stored_as = "adaptivfloat<8,3>"
[[stages]]
name = "dense"
epochs = 2
max_steps = 6
learning_rate = 1e-3
[[stages]]
name = "aware"
epochs = 1
max_steps = 3
learning_rate = 1e-3
teacher = "dense"
[stages.sampling]
dense_share = 0.0
span_budget_tokens = [3, 128]
encoder_sparsity = [0.5]
weight_format = ["adaptivfloat<4,3>"]
activation_format = ["adaptivfloat<8,3>"]
"""


@pytest.fixture
def small_task(monkeypatch: pytest.MonkeyPatch) -> dict[str, GlueTask]:
    """Every task with 300 training rows and 40 to report."""
    tasks = {name: shrunk(glue_task(name), 300, 40) for name in ("MNLI", "STS-B", "CoLA")}
    monkeypatch.setattr(recipe_runs, "glue_task", lambda name: tasks[name])
    return tasks


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "metrics", "outputs"),
    [("MNLI", ["accuracy"], 3), ("STS-B", ["pearson", "spearman"], 1), ("CoLA", ["matthews"], 2)],
)
def test_any_task_is_trained(
    small_task: dict[str, GlueTask],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    metrics: list[str],
    outputs: int,
) -> None:
    """Pairs, a regression and single sentences: metrics after each epoch, a card, and no rerun."""
    glue = write_generated_task(tmp_path / "glue", small_task[name])
    # A checkpoint of another task: its exits have other outputs, and are made anew.
    initial = write_tiny_checkpoint(tmp_path / "initial", 4)
    recipe = tmp_path / "own.toml"
    recipe.write_text(AWARE.format(initial=initial))
    out = tmp_path / "out"
    words = ["train", str(recipe), "--task", name, "--data", str(glue), "--out", str(out)]
    assert main(words) == 0
    told = capsys.readouterr().err
    assert f"dense: epoch 2 of 2, on select: {metrics[0]} " in told
    assert f"{name}: 300 training rows" in told
    card = json.loads((out / "card.json").read_text())
    assert card["task"] == name
    assert card["metrics"] == metrics
    assert list(card.get("further_stored", {})) == metrics[1:]
    splits = {"select", "report"} | ({"mismatched"} if name == "MNLI" else set())
    assert set(card["accuracy_stored"]) == splits
    head = load_checkpoint(out).exits[0]
    assert isinstance(head, ExitHead)
    assert head.classifier.out_features == outputs
    assert main(words) == 0
    assert "continuing at step 3 of 3" in capsys.readouterr().err


@pytest.mark.slow
def test_recipe_of_the_edgebert_authors_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_task: dict[str, GlueTask]
) -> None:
    """Its three stages run on a tiny random ALBERT: pruned, with spans, exits last."""
    small_task["SST-2"] = shrunk(glue_task("SST-2"), 300, 40)
    monkeypatch.setattr("evaluators.splits.SELECT_SENTENCES", 10)
    monkeypatch.setattr("evaluators.splits.select_split.__defaults__", (10, 1))
    glue = write_generated_task(tmp_path / "glue", small_task["SST-2"])
    albert = {"model_type": "albert", "embedding_size": 8, "num_hidden_layers": 12}
    albert["num_hidden_groups"] = 1
    monkeypatch.setattr("tests.generated_glue.CONFIG", CONFIG | albert)
    initial = write_tiny_checkpoint(tmp_path / "initial", 2)
    text = (RECIPES / "edgebert-albert-base.toml").read_text()
    for epochs in ("epochs = 3\n", "epochs = 30\n"):
        text = text.replace(epochs, f"{epochs}max_steps = 2\n")
    recipe = tmp_path / "own.toml"
    recipe.write_text(text)
    out = tmp_path / "out"
    words = ["--initial", str(initial), "--data", str(glue), "--out", str(out)]
    assert main(["train", str(recipe), *words]) == 0
    layer = load_checkpoint(out).family.weight_sets(load_checkpoint(out).backbone)[0]
    assert float((layer.up.weight == 0).float().mean()) == pytest.approx(0.5, abs=0.01)
    assert len(json.loads((out / "spans.json").read_text())["spans"]) == 1


def test_wrong_asks_end_with_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Unknown recipe or task, no data, and a broken file: one sentence and its exit code."""
    out = ["--out", str(tmp_path / "out")]
    broken = tmp_path / "broken.toml"
    broken.write_text('title = "x"')
    for words, code, told in (
        (["minilm", *out, "--data", "d"], 3, "neither a file nor a recipe"),
        (["aware", *out, "--data", "d", "--task", "SST2"], 3, "did you mean 'SST-2'"),
        ([str(broken), *out, "--data", "d"], 3, "key 'initial' is missing"),
    ):
        assert main(["train", *words]) == code
        said = capsys.readouterr().err
        assert told in said
        assert said.count("\n") == 1
