"""Limits: rows and spans that do not fit an encoder's sizes are refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from evaluators.checkpoints import CheckpointError
from evaluators.encoders import ExitEncoder
from evaluators.glue import TaskData
from evaluators.learned_spans import write_spans
from evaluators.limits import check_padding, check_rows, check_spans
from evaluators.live import LiveEvaluator
from evaluators.token_rows import TokenRow

HERE = Path("here")
MakeEncoder = Callable[..., ExitEncoder]


@pytest.mark.parametrize("family", ["albert", "bert", "distilbert", "roberta"])
def test_rows_up_to_the_limits_pass(family: str, make_encoder: MakeEncoder) -> None:
    """The last token id at the last position passes; the next of either does not."""
    model = make_encoder(family)  # 29 tokens, 40 positions for them in every family
    check_rows(HERE, model, [[28] * 40, []])
    with pytest.raises(
        CheckpointError, match=r"^here: a row of 41 tokens, expected at most the 40"
    ):
        check_rows(HERE, model, [[1], [28] * 41])
    with pytest.raises(CheckpointError, match=r"token id 29, expected less than vocab_size 29"):
        check_rows(HERE, model, [[1], [2, 29]])


def test_token_types_count_where_there_are_some(make_encoder: MakeEncoder) -> None:
    """Of two kinds of token, 2 is none; an encoder that tells no kinds apart ignores them."""
    pair: list[TokenRow] = [[(1, 0), (28, 1)]]
    check_rows(HERE, make_encoder("bert"), pair)
    with pytest.raises(
        CheckpointError, match="token type id 2, expected less than type_vocab_size"
    ):
        check_rows(HERE, make_encoder("bert"), [[(1, 2)]])
    with pytest.raises(CheckpointError, match="token id 29"):
        check_rows(HERE, make_encoder("bert"), [[(29, 0)]])
    check_rows(HERE, make_encoder("distilbert"), [[(1, 2)]])


def test_padding_is_a_token(make_encoder: MakeEncoder) -> None:
    """A padding id is one of the encoder's tokens."""
    check_padding(HERE, make_encoder("roberta"))
    model = make_encoder("bert")
    for pad_id in (None, -1, 29):
        model.backbone.config.pad_token_id = pad_id
        with pytest.raises(CheckpointError, match=f"here: pad_token_id {pad_id} in config.json"):
            check_padding(HERE, model)


def test_spans_are_those_of_the_encoder(make_encoder: MakeEncoder) -> None:
    """A row for each distinct layer, a span for each head: three layers, or one shared."""
    check_spans(HERE, make_encoder("bert"), ((1, 2), (3, 4), (0, 128)))
    check_spans(HERE, make_encoder("albert"), ((1, 2),))
    check_spans(HERE, make_encoder("albert"), None)
    for family, spans in (("albert", ((1, 2), (3, 4))), ("bert", ((1,), (2,), (3,)))):
        with pytest.raises(CheckpointError, match=r"spans\.json: rows of .*each head of each"):
            check_spans(HERE, make_encoder(family), spans)


def test_live_evaluation_looks_first(
    tiny_folders: dict[str, Path], tiny_task: TaskData, tmp_path: Path
) -> None:
    """Spans of another checkpoint are refused when the evaluator is made, whatever the setting."""
    for path in tiny_folders["bert"].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    LiveEvaluator(tmp_path, tiny_task)
    write_spans(tmp_path, ((1, 2),))
    with pytest.raises(
        CheckpointError, match=r"spans\.json: rows of 2 spans, expected 3 rows of 2"
    ):
        LiveEvaluator(tmp_path, tiny_task)
