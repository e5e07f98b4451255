"""Which training rows are held out as the ``select`` split, and which others would leak it.

SST-2's training set is made of phrases: ``select`` is full sentences, and every row contained in
one is held out with it. The rows of the other tasks are whole: a row is held out with every row of
the same sentence or of the same pair, in either order.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Final

from evaluators.sentences import GlueDataError, Sentences

SELECT_SENTENCES: Final = 1_000
SELECT_SHARE: Final = 5
"""At most one training row in that many is held out: what small training sets give."""
SELECT_SEED: Final = 20_201
CALIBRATION_SENTENCES: Final = 256
_SENTENCE_END: Final = {".", "!", "?", "...", "''", "`", "'"}


def full_sentences(texts: Sequence[str]) -> list[int]:
    """Positions of the full sentences among phrases, sorted.

    A row is a full sentence if it ends in sentence punctuation and no other row contains it (as a
    run of whole tokens). Of equal rows the first counts.
    """
    tokens = [text.split() for text in texts]
    first_row: dict[str, int] = {}
    for position, row in enumerate(tokens):
        first_row.setdefault(" ".join(row), position)
    parts: set[str] = set()
    # Longest first: whatever a part contains, the row that it is a part of contains too.
    for text in sorted(first_row, key=lambda text: -len(tokens[first_row[text]])):
        if text not in parts:
            row = tokens[first_row[text]]
            parts.update(run for run in _runs(row, len(row) - 1) if run in first_row)
    return sorted(
        position
        for text, position in first_row.items()
        if text not in parts and tokens[position] and tokens[position][-1] in _SENTENCE_END
    )


def select_split(
    texts: Sequence[str],
    full: Sequence[int],
    count: int = SELECT_SENTENCES,
    seed: int = SELECT_SEED,
) -> tuple[list[int], set[int]]:
    """Full sentences held out of a training set of phrases, drawn without replacement.

    Returns:
        Sorted positions of the drawn rows, and the positions of all rows that are contained in one
        of them (the drawn rows themselves among them): none of these may be trained on.

    Raises:
        GlueDataError: there are fewer full sentences than asked for.
    """
    if len(full) < count:
        raise GlueDataError(
            f"{len(full)} full sentences in the training set, expected at least {count}."
        )
    chosen = sorted(random.Random(seed).sample(sorted(full), count))
    held_out: set[str] = set()
    for position in chosen:
        row = texts[position].split()
        held_out.update(_runs(row, len(row)))
    contained = {i for i, text in enumerate(texts) if " ".join(text.split()) in held_out}
    return chosen, contained


def _runs(tokens: Sequence[str], longest: int) -> Iterable[str]:
    """Every run of up to ``longest`` consecutive tokens, joined by spaces."""
    for start in range(len(tokens)):
        for end in range(start + 1, min(start + longest, len(tokens)) + 1):
            yield " ".join(tokens[start:end])


def select_rows(
    data: Sentences, seed: int = SELECT_SEED, count: int | None = None
) -> tuple[list[int], set[int]]:
    """Rows held out of a training set of whole sentences or pairs, drawn without replacement.

    Rows are the same if their sentences are, whatever the case, the white space and the order of a
    pair; of equal rows only the first can be drawn.

    Args:
        data: the training set.
        seed: of the draw.
        count: rows to draw; by default `SELECT_SENTENCES`, or one row in `SELECT_SHARE` of a
            training set with fewer than `SELECT_SENTENCES` times `SELECT_SHARE`.

    Returns:
        Sorted positions of the drawn rows, and the positions of all rows that are the same as one
        of them (the drawn rows themselves among them): none of these may be trained on.

    Raises:
        GlueDataError: there are fewer distinct rows than asked for.
    """
    keys = [
        _key(row) for row in zip(data.texts, *([data.pairs] if data.pairs else []), strict=True)
    ]
    first: dict[tuple[str, ...], int] = {}
    for position, key in enumerate(keys):
        first.setdefault(key, position)
    wanted = min(SELECT_SENTENCES, len(data) // SELECT_SHARE) if count is None else count
    if len(first) < wanted:
        raise GlueDataError(
            f"{len(first)} distinct rows in the training set, expected at least {wanted}."
        )
    chosen = sorted(random.Random(seed).sample(sorted(first.values()), wanted))
    held_out = {keys[position] for position in chosen}
    return chosen, {position for position, key in enumerate(keys) if key in held_out}


def _key(row: Sequence[str]) -> tuple[str, ...]:
    """What is the same in equal rows."""
    return tuple(sorted(" ".join(text.casefold().split()) for text in row))
