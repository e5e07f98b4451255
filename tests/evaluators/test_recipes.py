"""Recipes: the shipped ones load, and what is wrong in a file is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evaluators.cards import as_json
from evaluators.checkpoints import checkpoint_folder, shipped_checkpoints
from evaluators.recipes import RecipeError, load_recipe, recipe_names
from evaluators.training_stages import Stage, Trained
from search_space import FP32, adaptivfloat

WHOLE = """
title = "t"
initial = "x"
[[stages]]
name = "a"
epochs = 1
learning_rate = 1e-3
[[stages]]
name = "b"
epochs = 2
learning_rate = 1
teacher = "a"
[stages.sampling]
encoder_sparsity = [0, 0.5]
weight_format = ["adaptivfloat<4,2>", "fp32"]
"""


def test_shipped_recipes_load() -> None:
    """Every shipped recipe is one."""
    assert {"albert-mini", "minilm-exits"} <= set(recipe_names())
    for name in recipe_names():
        load_recipe(name)


@pytest.mark.parametrize("name", shipped_checkpoints())
def test_recipes_are_those_of_the_shipped_weights(name: str) -> None:
    """Each stage is that which the checkpoint's card tells, exits alone last."""
    recipe = load_recipe(name)
    card = json.loads((checkpoint_folder(name) / "card.json").read_text())
    assert str(recipe.stored_as) == card["stored_as"]
    assert [stage.name for stage in recipe.stages] == [told["name"] for told in card["stages"]]
    for stage, told in zip(recipe.stages, card["stages"], strict=True):
        # How teachers are named depends on where a run starts.
        own = {key: value for key, value in as_json(stage).items() if key != "teacher"}
        assert {key: own[key] for key in told if key in own} == {
            key: value for key, value in told.items() if key in own
        }
    assert recipe.stages[-1].trained is Trained.EXITS


def test_file_becomes_values(tmp_path: Path) -> None:
    """Lists are tuples, whole numbers may stand for numbers, formats are read by name."""
    path = tmp_path / "own.toml"
    path.write_text(WHOLE)
    recipe = load_recipe(str(path))
    assert recipe.stages[1].learning_rate == 1.0
    sampling = recipe.stages[1].sampling
    assert sampling is not None
    assert sampling.encoder_sparsity == (0.0, 0.5)
    assert sampling.weight_format == (adaptivfloat(4, 2), FP32)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('title = "t"', "", "key 'title' is missing"),
        ('title = "t"', 'titel = "t"', "key 'titel' is not known, did you mean 'title'?"),
        ("epochs = 2", "epoch = 2", "key 'epoch' in stages[1] is not known, did you mean 'epochs'"),
        ("epochs = 2", "epochs = 2.5", "stages[1].epochs 2.5: expected a whole number"),
        ("epochs = 2", "epochs = true", "stages[1].epochs True: expected a whole number"),
        ("epochs = 2", "epochs = 0", "stages[1]: epochs 0: expected more than 0"),
        ('title = "t"', "title = 3", "title 3: expected text"),
        ("[0, 0.5]", "0.5", "stages[1].sampling.encoder_sparsity 0.5: expected a list"),
        ("[0, 0.5]", "[0, 1.5]", "stages[1].sampling: encoder_sparsity 1.5: expected a share"),
        ("[0, 0.5]", "[]", "encoder_sparsity of a sampling is empty"),
        ("<4,2>", "<4,9>", "AdaptivFloat format <4,9>"),
        ('teacher = "a"', 'teacher = "itsel"', "teacher 'itsel' of stage 'b' is not known, did"),
        ('name = "b"', 'name = "a"', "stage 'a' is there twice"),
        ('name = "b"', 'name = "../b"', "name '../b' of a stage: expected letters"),
        ("epochs = 2", 'epochs = 2\ntrained = "exit"', "stages[1].trained 'exit', did you mean"),
        ("epochs = 2", "epochs = 2\nexit_weights = [0, 0]", "exit_weights [0.0, 0.0]"),
        ("epochs = 1", 'epochs = 1\ndata = "text"', "text has no labels, so that there a stage"),
        ("epochs = 2", 'epochs = 2\ndata = "text"', "hard_share 0.5 of stage 'b': text has no lab"),
        ('teacher = "a"', 'teacher = "initial"', "data 'task' with one other than 'initial'"),
        (
            'teacher = "a"',
            'teacher = "initial"\ndata = "text"',
            "compression in stage 'b', which matches hidden states alone",
        ),
        (
            "epochs = 1",
            'epochs = 1\nteacher = "initial"\ndata = "text"',
            "teacher 'initial' of stage 'a': only a student has hidden states",
        ),
        ("epochs = 1", "epochs = 1\nhidden_weight = 1", "expected another teacher than 'itself'"),
        ("epochs = 1", "epochs = 1\nwarmup = 3", "warmup 3.0: expected a share"),
        ("epochs = 1", "epochs = 1\nmax_steps = 0", "max_steps 0: expected 1 or more"),
        ("epochs = 1", "epochs = ", "not TOML"),
        ("= 1e-3", "= inf", "stages[0].learning_rate inf: expected a finite number"),
        ("= 1e-3", "= 1" + "0" * 400, "stages[0].learning_rate 10000000000000000000: expected a"),
        ("epochs = 1", "epochs = 1\nweight_decay = nan", "stages[0].weight_decay nan: expected"),
        ("[0, 0.5]", "[0, nan]", "stages[1].sampling.encoder_sparsity[1] nan: expected a finite"),
        ('name = "a"', 'name = "itself"', "name 'itself' of a stage: expected at most 100 char"),
        ('name = "a"', f'name = "{"a" * 101}"', "of a stage: expected at most 100 characters"),
        ('title = "t"', 'title = "t"\nstudent = 3', "student 3: expected a table"),
        ('title = "t"', 'title = "t"\nstudent = {layers = 0}', "student: layers 0: expected 1"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, old: str, new: str, told: str) -> None:
    """Unknown keys get a near name; values of the wrong kind or range say where and why."""
    path = tmp_path / "own.toml"
    path.write_text(WHOLE.replace(old, new, 1))
    with pytest.raises(RecipeError) as raised:
        load_recipe(str(path))
    assert told in str(raised.value)
    assert str(path) in str(raised.value)


def test_unknown_recipe_is_an_error() -> None:
    """A name that is neither a recipe nor a file gets the nearest name."""
    with pytest.raises(RecipeError, match="did you mean 'minilm-exits'"):
        load_recipe("minilm-exit")


def test_weights_of_exits_sum_to_one() -> None:
    """Three exits weighed 1, 1 and 2 have a quarter, a quarter and a half; five do not fit."""
    stage = Stage(name="a", epochs=1, learning_rate=1.0, exit_weights=(1, 1, 2))
    assert stage.weights_of_exits(3) == (0.25, 0.25, 0.5)
    with pytest.raises(ValueError, match="one for each of the 5 exits"):
        stage.weights_of_exits(5)
