"""The model of an export: it answers as the trace says, and its images decode to its weights."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from dse.exports.errors import ExportError
from dse.exports.loading import ExportFolder, load_export
from dse.exports.memory_map import HEADER_BYTES, blobs_of_images, regions_of, stored_blobs
from evaluators.exits import exit_answers, exit_layers
from evaluators.glue import load_task
from evaluators.tasks import WNLI
from evaluators.traces import Split
from tests.dse.commands import failure, json_of, text_of

pytestmark = pytest.mark.slow


def test_answers_are_those_of_the_trace(model_once: Path, glue_of_pairs: Path) -> None:
    """Answer, exit layer and predicted layer of every dev row, asked one by one and in batches."""
    folder, model = ExportFolder.open(model_once), load_export(model_once)
    trace = folder.design().setting.trace.of(Split.REPORT)
    exits = [folder.design().point.exits]
    predicted, actual = exit_layers(trace, exits)
    expected = exit_answers(trace, actual)[0]
    report = load_task(WNLI, str(glue_of_pairs)).report
    pairs = list(zip(report.texts, report.pairs, strict=True))
    alone = [model.answer(*pair) for pair in pairs]
    together = list(model.answers(report.texts, report.pairs))
    for found in (alone, together):
        assert [a.value for a in found] == expected.tolist()
        assert [a.exit_layer for a in found] == actual[0].tolist()
        assert [a.predicted_layer for a in found] == predicted[0].tolist()
    assert len(set(actual[0].tolist())) > 1
    assert {a.label for a in alone} <= set(WNLI.classes)


def test_images_decode_to_the_weights_of_the_model(model_once: Path) -> None:
    """What the cells hold, found by the memory map alone, is what the safetensors file holds."""
    folder = ExportFolder.open(model_once)
    plain = json.loads((model_once / "memory" / "memory_map.json").read_text())
    regions = regions_of(plain)
    images = {p.stem: p.read_bytes() for p in (model_once / "memory").glob("*.bin")}
    assert set(images) == {"reram-mlc2", "sram"}
    for image in images.values():
        assert image[:4] == b"EDSE"
        found = int.from_bytes(image[8:HEADER_BYTES], "little")
        assert f"{found:016x}" == folder.document.design_hash
    weights = folder.weights()
    assert weights is not None
    blobs = blobs_of_images(images, regions)
    assert blobs == stored_blobs(weights, folder.tables())
    # Unpacked by hand, bit by bit: mask, then one code after another.
    name, matrix = next((n, m) for n, m in weights.matrices.items() if m.mask is not None)
    bits = weights.number_format.bits
    mask = int.from_bytes(blobs[f"{name}.mask"], "little")
    codes = int.from_bytes(blobs[f"{name}.codes"], "little")
    values = weights.tensors()[name].ravel()
    taken = 0
    for place in range(math.prod(matrix.shape)):
        if mask >> place & 1:
            assert codes >> taken * bits & (1 << bits) - 1
            assert values[place] != 0
            taken += 1
        else:
            assert values[place] == 0


def test_region_beyond_its_image(model_once: Path) -> None:
    """A memory map of another design is refused by the region."""
    plain = json.loads((model_once / "memory" / "memory_map.json").read_text())
    images = {p.stem: p.read_bytes()[:100] for p in (model_once / "memory").glob("*.bin")}
    with pytest.raises(ExportError, match=r"Region .*: bytes \d+ to \d+ of an image of 100"):
        blobs_of_images(images, regions_of(plain))


def test_loads_without_checkpoint_data_or_network(
    model_once: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder stands alone: its weights are those that were measured."""
    monkeypatch.delenv("GLUE_DIR", raising=False)
    model = load_export(model_once)
    answer = model.answer("the dog saw it .", "it was old .")
    assert 1 <= answer.exit_layer <= 3
    assert len(answer.entropies) == answer.exit_layer
    dense = [m.shape for m in ExportFolder.open(model_once).weights().matrices.values()]  # type: ignore[union-attr]
    assert all(len(shape) == 2 for shape in dense)


def test_changed_model_is_not_run(model: Path) -> None:
    """A model whose files are not those that the document lists is refused."""
    path = model / "model" / "tokenizer.json"
    path.write_text(path.read_text().replace("red", "der"))
    with pytest.raises(ExportError, match=r"tokenizer.json: changed since it was exported"):
        load_export(model)


@pytest.mark.usefixtures("in_an_empty_folder")
class TestPredict:
    """``dse predict``."""

    def test_says_everything(self, model_once: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Label, exit layer, entropies, voltage, energy and latency."""
        words = ["predict", str(model_once), "the red ball", "--pair", "it is old"]
        found = json_of(capsys, *words)
        assert found["answer"] in WNLI.classes
        assert len(found["entropies_nats"]) == found["exit_layer"] <= found["layers"] == 3
        assert 0.5 <= found["voltage_v"] <= 0.8
        assert found["energy_pj"] > 0
        assert found["latency_ns"] > 0
        printed = text_of(capsys, *words)
        assert found["answer"] in printed
        assert f"left after layer {found['exit_layer']} of 3" in printed
        assert "µJ" in printed

    def test_odd_sentences(self, model_once: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Nothing is refused, signs are tokens like others, and what is cut is said to be cut."""
        words = ["predict", str(model_once)]
        for empty in (["", "--pair", "it is old"], ["the red ball", "--pair", " \n"]):
            assert "sentence is empty" in failure(capsys, 2, *words, *empty)
        found = json_of(capsys, *words, "\N{GRINNING FACE} \x07", "--pair", "[MASK] <b>")
        assert found["tokens"] >= 4
        assert not found["is_cut"]
        assert load_export(model_once).is_cut("the red ball " * 200, "it is old")

    def test_costs_are_those_of_the_cost_table(
        self, model_once: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The mean over the sentences of a split is what the design's figures say."""
        from dse.predict_command import sentence_cost
        from evaluators.exits import exit_histogram

        folder = ExportFolder.open(model_once)
        design = folder.design()
        model = load_export(model_once)
        histogram = exit_histogram(design.setting.trace, [design.point.exits])
        answer = model.answer("the red ball", "it is old")
        mean = 0.0
        for tokens, predicted, actual, share in zip(
            histogram.tokens,
            histogram.predicted_layer,
            histogram.actual_layer,
            histogram.shares[0],
            strict=True,
        ):
            from dataclasses import replace

            group = replace(
                answer,
                tokens=int(tokens),
                predicted_layer=int(predicted),
                exit_layer=int(actual),
            )
            mean += share * sentence_cost(design, group).energy_pj
        assert mean == pytest.approx(folder.document.metrics["energy_pj"].value)
        capsys.readouterr()

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (["one"], "expected two sentences"),
            (["--pair", "b"], "Missing"),
            (["one", "--pair", "\udcff\udcfe"], "is no UTF-8"),
        ],
    )
    def test_wrong_words(
        self,
        model_once: Path,
        words: list[str],
        told: str,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """A pair for a task of pairs; a sentence in any case."""
        assert told in failure(capsys, 2, "predict", str(model_once), *words)

    def test_hardware_alone(self, hardware_once: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """An export without a model says why it has none."""
        told = failure(capsys, 9, "predict", str(hardware_once), "a")
        assert "the hardware alone" in told
