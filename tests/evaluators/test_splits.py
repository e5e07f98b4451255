"""Which rows are held out: full sentences of phrases, and whole sentences or pairs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.sentences import GlueDataError, Sentences
from evaluators.splits import full_sentences, select_rows, select_split


def test_splits_are_drawn_the_same_every_time() -> None:
    """The same texts and seed give the same draw, and another seed another one."""
    texts = [f"w{i} x{i} ." for i in range(200)]
    full = full_sentences(texts)
    first = select_split(texts, full, count=20, seed=1)
    assert first == select_split(texts, full[::-1], count=20, seed=1)
    assert first != select_split(texts, full, count=20, seed=2)


def test_full_sentences_by_hand() -> None:
    """A full sentence ends in punctuation and is no part of another row; of equal rows the first.

    Tokens are whole: ``art .`` is no part of ``smart .``, and white space does not count.
    """
    texts = [
        "a good film .",
        "good film .",
        "good film",
        "a good film .",
        "so smart .",
        "art .",
        "what  now ?",
        "now ?",
        "no punctuation",
        "",
    ]
    assert full_sentences(texts) == [0, 4, 5, 6]


def test_rows_inside_a_drawn_sentence_are_held_out() -> None:
    """Drawing a sentence holds out its parts, its doubles and nothing else."""
    texts = ["a good film .", "good film", "film .", "good .", "a good film .", "bad .", "a  good"]
    chosen, contained = select_split(texts, [0], count=1)
    assert chosen == [0]
    assert contained == {0, 1, 2, 4, 6}


def test_too_few_full_sentences() -> None:
    """Asking for more full sentences than there are is refused with both numbers."""
    with pytest.raises(GlueDataError, match=r"1 full sentences .* expected at least 2"):
        select_split(["a .", "b"], [0], count=2)


def rows_of(*rows: tuple[str, ...]) -> Sentences:
    """Sentences, or pairs of them, with label 0."""
    columns = list(zip(*rows, strict=True))
    n = len(rows)
    return Sentences(columns[0], (0,) * n, tuple(range(n)), columns[1] if len(columns) > 1 else ())


def test_same_pair_in_either_order_is_held_out() -> None:
    """Case, white space and order of a pair do not count; one equal sentence is no leak."""
    data = rows_of(("A b", "c"), ("C", "a  B"), ("a b", "d"), ("c", "c"), ("a b c", ""))
    chosen, held_out = select_rows(data, count=4)
    assert chosen == [0, 2, 3, 4]
    assert held_out == {0, 1, 2, 3, 4}
    first = next(s for s in range(99) if select_rows(data, seed=s, count=1)[0] == [0])
    assert select_rows(data, seed=first, count=1)[1] == {0, 1}


def test_same_sentence_is_held_out() -> None:
    """Of a task with one sentence, rows of the same sentence go out together."""
    data = rows_of(("x y",), ("X  y",), ("z",))
    assert select_rows(data, count=2) == ([0, 2], {0, 1, 2})


def test_size_of_the_select_split() -> None:
    """1,000 rows, or a fifth of a training set with fewer than 5,000."""
    for rows, expected in ((12, 2), (4_999, 999), (5_000, 1_000), (9_000, 1_000)):
        data = rows_of(*((f"s {i}", f"t {i}") for i in range(rows)))
        assert len(select_rows(data)[0]) == expected


def test_too_few_distinct_rows() -> None:
    """Asking for more distinct rows than there are is refused with both numbers."""
    with pytest.raises(GlueDataError, match=r"1 distinct rows .* expected at least 2"):
        select_rows(rows_of(("a", "b"), ("b", "a")), count=2)


TEXT = st.sampled_from(["a", "A", "b", " b", "a b", "c"])


@given(st.lists(st.tuples(TEXT, TEXT), min_size=5, max_size=30), st.integers(0, 9))
def test_no_row_leaks(pairs: list[tuple[str, str]], seed: int) -> None:
    """Nothing that may be trained on is a select row in another order, case or spacing."""
    data = rows_of(*pairs)
    plain = [frozenset(" ".join(t.lower().split()) for t in pair) for pair in pairs]
    chosen, held_out = select_rows(data, seed=seed, count=1)
    assert set(chosen) <= held_out
    assert held_out == {i for i, pair in enumerate(plain) if pair == plain[chosen[0]]}
