"""Running recipes: on a made-up task, killed and resumed, with a card that says what was done."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from evaluators import objectives, recipe_runs, training
from evaluators.checkpoint_folders import load_checkpoint
from evaluators.checkpoints import CheckpointError
from evaluators.encoders import ExitEncoder
from evaluators.glue import TaskData
from evaluators.learned_spans import read_spans
from evaluators.objectives import TaskObjective, exit_loss, hidden_mismatch
from evaluators.pruning import prune_by_magnitude
from evaluators.recipe_runs import RecipeRun
from evaluators.recipes import Recipe
from evaluators.sampling import Sampling
from evaluators.tasks import STSB
from evaluators.training_stages import (
    CHECKPOINT,
    Pruning,
    PruningMethod,
    SpanLearning,
    Stage,
    StageData,
    Trained,
    TrainingError,
)
from search_space import FULL_SPAN_TOKENS, adaptivfloat
from tests.evaluators.conftest import WORDS

SAMPLING = Sampling(
    span_budget_tokens=(FULL_SPAN_TOKENS, 4, 2),
    encoder_sparsity=(0.0, 0.5),
    embedding_sparsity=(0.0, 0.6),
    weight_format=(adaptivfloat(8, 3), adaptivfloat(4, 2)),
    activation_format=(adaptivfloat(8, 3),),
)
DENSE = Stage(name="dense", epochs=1, learning_rate=1e-2, batch_size=8)  # 5 steps an epoch
AWARE = Stage(
    name="aware",
    epochs=2,
    learning_rate=1e-2,
    batch_size=8,
    teacher="dense",
    temperature=2.0,
    sampling=SAMPLING,
)
EXITS = Stage(
    name="exits",
    epochs=1,
    learning_rate=1e-2,
    batch_size=8,
    teacher="dense",
    trained=Trained.EXITS,
    exit_weights=(1, 1, 0),
    sampling=SAMPLING,
)

MOVED = Pruning(
    method=PruningMethod.MOVEMENT, encoder_sparsity=0.4, embedding_sparsity=0.5, start=0.0, end=0.5
)
SPANS = SpanLearning(penalty=0.1, ramp_tokens=2, initial_tokens=4, learning_rate=0.5)

RunRecipe = Callable[..., ExitEncoder]


class Killed(Exception):  # noqa: N818 - not an error of the program
    """Stands for a run that is killed."""


@pytest.fixture
def run_recipe(
    tiny_folders: dict[str, Path],
    tiny_task: TaskData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> RunRecipe:
    """Runs stages from a tiny checkpoint in a work folder; the weights before they are rounded."""
    monkeypatch.setattr(recipe_runs, "load_task", lambda *_: tiny_task)
    monkeypatch.setattr(training, "SAVE_EVERY", 3)

    def run(
        *stages: Stage,
        work: str = "work",
        family: str = "bert",
        teacher: Path | None = None,
        seed: int = 1,
        n_outputs: int = 2,
    ) -> ExitEncoder:
        recipe = Recipe(
            title="tiny",
            initial=str(tiny_folders[family]),
            stages=stages,
            stored_as=adaptivfloat(8, 3),
        )
        folder = tmp_path / work
        RecipeRun(recipe, Path("unused"), folder, teacher, seed, lambda _: None).finished(
            folder / "out"
        )
        weights = training.saved_state(folder, stages[-1].name, "model")
        assert weights is not None
        model = ExitEncoder(load_checkpoint(tiny_folders[family]).backbone, n_outputs)
        model.load_state_dict(weights)
        return model.eval()

    return run


def dying(batch_number: int) -> Callable[[TaskObjective, Sequence[int], int], Tensor]:
    """A loss that dies at that batch."""
    left = batch_number
    loss = TaskObjective.loss

    def die(self: TaskObjective, batch: Sequence[int], step: int) -> Tensor:
        nonlocal left
        left -= 1
        if left == 0:
            raise Killed
        return loss(self, batch, step)

    return die


@pytest.mark.slow
@pytest.mark.parametrize(("family", "batch"), [("bert", 10), ("bert", 18), ("albert", 14)])
def test_killed_run_ends_in_the_same_weights(
    run_recipe: RunRecipe, monkeypatch: pytest.MonkeyPatch, family: str, batch: int
) -> None:
    """Killed in any stage and run again, a recipe ends in bit-equal weights."""
    monkeypatch.setattr("evaluators.trainable_compression.THRESHOLD_STEPS", 4)
    monkeypatch.setattr("evaluators.training_spans.SPAN_STEPS", 5)
    whole = run_recipe(DENSE, AWARE, EXITS, work="whole", family=family).state_dict()
    with monkeypatch.context() as patched:
        patched.setattr(objectives.TaskObjective, "loss", dying(batch))
        with pytest.raises(Killed):
            run_recipe(DENSE, AWARE, EXITS, work="cut", family=family)
    rest = run_recipe(DENSE, AWARE, EXITS, work="cut", family=family).state_dict()
    assert all(torch.equal(rest[name], whole[name]) for name in whole)


@pytest.mark.slow
def test_killed_run_keeps_spans_and_scores(
    run_recipe: RunRecipe, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Scores and learned spans go on too, and end in the same masks and the same file of spans."""
    stage = replace(
        AWARE, name="moved", teacher="itself", sampling=None, pruning=MOVED, spans=SPANS
    )
    last = replace(EXITS, teacher="itself", sampling=None, keep_spans=True)
    whole = run_recipe(stage, last, work="whole").state_dict()
    with monkeypatch.context() as patched:
        patched.setattr(objectives.TaskObjective, "loss", dying(8))
        with pytest.raises(Killed):
            run_recipe(stage, last, work="cut")
    rest = run_recipe(stage, last, work="cut").state_dict()
    assert all(torch.equal(rest[name], whole[name]) for name in whole)
    spans = [read_spans(tmp_path / work / "out") for work in ("whole", "cut")]
    assert spans[0] is not None
    assert spans[0] == spans[1]
    up = whole["backbone.encoder.layer.0.intermediate.dense.weight"]
    assert int((up == 0).sum()) == round(0.4 * up.numel())
    assert torch.equal(prune_by_magnitude(up, 0.4), up)


def test_text_without_labels_is_learned_from_a_teacher(
    run_recipe: RunRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stage on text passes over the text instead of the task's rows, and knows no label."""
    texts = [" ".join(WORDS[start : start + 5]) for start in range(12)]
    monkeypatch.setattr(recipe_runs, "training_texts", lambda *_: texts)
    seen: list[int] = []
    measure = TaskObjective.loss

    def counted(self: TaskObjective, batch: Sequence[int], step: int) -> Tensor:
        if self._stage.data is StageData.TEXT:
            assert len(self._rows) == 12
            assert not self._labels.any()
            seen.extend(batch)
        return measure(self, batch, step)

    monkeypatch.setattr(TaskObjective, "loss", counted)
    before = run_recipe(DENSE).state_dict()
    stage = replace(AWARE, name="text", data=StageData.TEXT, hard_share=0.0)
    after = run_recipe(DENSE, stage).state_dict()
    assert sorted(seen) == sorted([*range(12)] * 2)  # two epochs
    name = "backbone.encoder.layer.0.intermediate.dense.weight"
    assert not torch.equal(before[name], after[name])


def test_stage_may_start_afresh(run_recipe: RunRecipe) -> None:
    """A stage that starts afresh ends where it would have ended as the only one."""
    taught = replace(DENSE, name="again", afresh=True)
    after = run_recipe(DENSE, taught).state_dict()
    alone = run_recipe(taught, work="alone").state_dict()
    assert all(torch.equal(after[name], alone[name]) for name in after)


def test_exits_of_a_regression_begin_at_the_mean(
    run_recipe: RunRecipe, tiny_task: TaskData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With next to no learning, every exit's bias is the mean label of the training sentences."""
    train, select, report = (
        replace(part, labels=tuple(4.0 + label for label in part.labels))
        for part in (tiny_task.train, tiny_task.select, tiny_task.report)
    )
    regression = replace(tiny_task, task=STSB, train=train, select=select, report=report)
    monkeypatch.setattr(recipe_runs, "load_task", lambda *_: regression)
    model = run_recipe(replace(DENSE, learning_rate=1e-9), n_outputs=1)
    mean = sum(train.labels) / len(train.labels)
    assert 4.2 < mean < 4.8
    for head in model.exits:
        assert head.get_parameter("classifier.bias").item() == pytest.approx(mean, abs=1e-5)


def test_exits_are_trained_on_a_frozen_backbone(run_recipe: RunRecipe) -> None:
    """A stage of exits changes those that its loss weighs, and nothing else."""
    before = run_recipe(DENSE, AWARE).state_dict()
    after = run_recipe(DENSE, AWARE, EXITS).state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if name.startswith(("exits.0.", "exits.1."))}


def test_aware_training_changes_every_matrix(run_recipe: RunRecipe) -> None:
    """Each matrix learns under compression, and the result is not that of plain training."""
    dense = run_recipe(DENSE).state_dict()
    aware = run_recipe(DENSE, AWARE).state_dict()
    matrices = [name for name in dense if dense[name].ndim > 1 and "position" not in name]
    assert not any(torch.equal(dense[name], aware[name]) for name in matrices)


def test_card_says_what_was_done(run_recipe: RunRecipe, tmp_path: Path) -> None:
    """The card has stages with their sampling, and accuracies beside teacher and majority class."""
    run_recipe(DENSE, AWARE)
    card = json.loads((tmp_path / "work" / "out" / "card.json").read_text())
    assert [stage["steps"] for stage in card["stages"]] == [5, 10]
    assert card["stages"][1]["sampling"]["weight_format"] == [
        "adaptivfloat<8,3>",
        "adaptivfloat<4,2>",
    ]
    assert card["stages"][0]["sampling"] is None
    for name in ("accuracy_teacher", "accuracy_fp32", "accuracy_stored"):
        assert [len(card[name][split]) for split in ("select", "report")] == [3, 3]
    assert card["majority_class"]["report"] >= 0.5
    load_checkpoint(tmp_path / "work" / "out")


def test_teacher_may_be_another_checkpoint(
    run_recipe: RunRecipe, tiny_folders: dict[str, Path]
) -> None:
    """A stage learns logits and states from the folder that is given; without one, it says so."""
    stage = Stage(
        name="taught",
        epochs=1,
        learning_rate=1e-3,
        batch_size=8,
        teacher=CHECKPOINT,
        hidden_weight=1.0,
    )
    with pytest.raises(TrainingError, match="name one by --teacher"):
        run_recipe(stage)
    run_recipe(stage, teacher=tiny_folders["albert"])


def test_lost_state_of_the_teacher_is_said(run_recipe: RunRecipe, tmp_path: Path) -> None:
    """A recipe that goes on without the state that its teacher was saved in says which file."""
    run_recipe(DENSE, AWARE)
    (tmp_path / "work" / "dense.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"dense\.safetensors: no such file; stage 'aware'"):
        run_recipe(DENSE, AWARE)


def test_recipe_that_does_not_fit_is_said(run_recipe: RunRecipe) -> None:
    """Weights for other exits than there are, and a loss that explodes, are errors."""
    with pytest.raises(TrainingError, match="one for each of the 3 exits"):
        run_recipe(replace(DENSE, exit_weights=(1, 1)))
    with pytest.raises(TrainingError, match="expected a finite number"):
        run_recipe(replace(DENSE, learning_rate=1e30), work="wild")


def test_work_folder_belongs_to_one_run(run_recipe: RunRecipe, tmp_path: Path) -> None:
    """A state of another task or seed, of another encoder, or no state at all, is refused."""
    run_recipe(DENSE)
    with pytest.raises(CheckpointError, match=r"of SST-2, seed 1; expected SST-2, seed 2"):
        run_recipe(DENSE, seed=2)
    with pytest.raises(CheckpointError, match="of another model or recipe"):
        run_recipe(DENSE, family="albert")
    (tmp_path / "work" / "dense.safetensors").write_bytes(b"no")
    with pytest.raises(CheckpointError, match="not the saved state of a stage"):
        run_recipe(DENSE)


def test_state_of_another_recipe_is_refused(run_recipe: RunRecipe) -> None:
    """A stage that was edited does not go on from the state of the one before the edit."""
    run_recipe(DENSE)
    with pytest.raises(CheckpointError, match="of another model or recipe"):
        run_recipe(replace(DENSE, learning_rate=2e-2))
    run_recipe(DENSE, replace(EXITS, sampling=None))  # stages behind it are its own affair


def test_teachers_are_looked_at_before_the_first_stage(
    run_recipe: RunRecipe, tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    """One that is missing, has other tokens, or that no stage asks for: nothing is trained."""
    taught = replace(AWARE, teacher=CHECKPOINT)
    other = tmp_path / "other"
    shutil.copytree(tiny_folders["bert"], other)
    tokenizer = json.loads((other / "tokenizer.json").read_text())
    pieces = tokenizer["model"]["vocab"]
    pieces["good"], pieces["bad"] = pieces["bad"], pieces["good"]
    (other / "tokenizer.json").write_text(json.dumps(tokenizer))
    for stages, teacher, told in (
        ((DENSE, taught), None, "name one by --teacher"),
        ((DENSE, taught), other, "has another tokenizer than the encoder"),
        ((DENSE, AWARE), tiny_folders["albert"], "no stage of the recipe learns from a checkpoint"),
    ):
        with pytest.raises(TrainingError, match=told):
            run_recipe(*stages, teacher=teacher)
    with pytest.raises(CheckpointError, match="no such file"):
        run_recipe(DENSE, taught, teacher=tmp_path / "nowhere")
    assert not (tmp_path / "work" / "dense.safetensors").exists()


def test_checkpoints_are_not_written_over(
    run_recipe: RunRecipe, tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    """A run writes neither over what it reads nor over the checkpoint of another run."""
    run_recipe(DENSE)
    run_recipe(DENSE)
    (tmp_path / "work" / "dense.safetensors").unlink()
    with pytest.raises(CheckpointError, match="holds a checkpoint, and the work folder has no"):
        run_recipe(DENSE)
    recipe = Recipe(title="tiny", initial=str(tiny_folders["bert"]), stages=(DENSE,))
    run = RecipeRun(recipe, Path("unused"), tmp_path / "new", None, 1, lambda _: None)
    with pytest.raises(CheckpointError, match="starts or learns from this checkpoint"):
        run.finished(tiny_folders["bert"])
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    with pytest.raises(CheckpointError, match="cannot be made"):
        run.finished(in_the_way)
    with pytest.raises(CheckpointError, match="cannot be made"):
        replace_work(run, in_the_way).finished(tmp_path / "out")
    assert not (tmp_path / "new" / "dense.safetensors").exists()


def replace_work(run: RecipeRun, work: Path) -> RecipeRun:
    """The same run with its states elsewhere."""
    return RecipeRun(run.recipe, run.source, work, run.teacher, run.seed, run.say)


def test_encoder_without_padding_is_refused(
    tiny_folders: dict[str, Path],
    tiny_task: TaskData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Training fills short rows, so that it needs a padding token."""
    monkeypatch.setattr(recipe_runs, "load_task", lambda *_: tiny_task)
    folder = tmp_path / "initial"
    shutil.copytree(tiny_folders["bert"], folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"pad_token_id": None}))
    recipe = Recipe(title="tiny", initial=str(folder), stages=(DENSE,))
    run = RecipeRun(recipe, Path("unused"), tmp_path / "work", None, 1, lambda _: None)
    with pytest.raises(
        CheckpointError, match=r"pad_token_id None in config\.json, expected a token"
    ):
        run.finished(tmp_path / "out")


def test_exit_loss_by_hand() -> None:
    """Two exits, one sentence: half cross-entropy, half T² KL divergence, weighed 1 to 3."""
    logits = torch.tensor([[[0.0, 0.0], [1.0, 0.0]]])
    teacher = torch.tensor([[2.0, 0.0]])
    p = torch.tensor([2.0, 0.0]).div(2).softmax(0)
    expected = 0.0
    for weight, exit_logits in ((0.25, logits[0, 0]), (0.75, logits[0, 1])):
        hard = -exit_logits.log_softmax(0)[1]
        soft = 4 * (p * (p.log() - (exit_logits / 2).log_softmax(0))).sum()
        expected += weight * float(0.5 * hard + 0.5 * soft)
    weights = torch.tensor([0.25, 0.75])
    found = exit_loss(logits, torch.tensor([1]), weights, teacher, 2.0, 0.5)
    assert float(found) == pytest.approx(expected, rel=1e-6)


def test_hidden_mismatch_by_hand() -> None:
    """Every second state of the student is matched, padding left out, in units of variance."""
    teacher = [torch.tensor([[[0.0, 2.0], [9.0, 9.0]]]), torch.tensor([[[1.0, 3.0], [9.0, 9.0]]])]
    student = [torch.tensor([[[1.0, 2.0], [0.0, 0.0]]]) for _ in range(3)]
    # Variances are 2; squared errors (1 + 0) / 2 and (0 + 1) / 2.
    found = hidden_mismatch(student, teacher, torch.tensor([[1, 0]]))
    assert float(found) == pytest.approx((0.5 / 2 + 0.5 / 2) / 2)


def test_regression_loss_by_hand() -> None:
    """Answers 1 and 3 to a label of 2 and a teacher of 3: squared errors, weighed 1 to 3."""
    logits, teacher = torch.tensor([[[1.0], [3.0]]]), torch.tensor([[3.0]])
    weights = torch.tensor([0.25, 0.75])
    found = exit_loss(logits, torch.tensor([2.0]), weights, teacher, 1.0, 0.5)
    assert float(found) == 0.25 * (0.5 * 1 + 0.5 * 4) + 0.75 * (0.5 * 1 + 0.5 * 0)
