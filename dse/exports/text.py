"""Text of a user's in files of ours: one line that ends no comment and marks up nothing."""

from __future__ import annotations

import re

_MARKS = re.compile(r"([\\`*_{}\[\]()<>#+!|~&@:-])")


def one_line(text: str, most: int = 600) -> str:
    r"""The text on one line, what cannot be printed as a question mark, cut to a length.

    >>> one_line("two\nlines")
    'two?lines'
    """
    shown = "".join(letter if letter.isprintable() else "?" for letter in text)
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def in_markdown(text: str) -> str:
    r"""The text as Markdown and HTML show it: nothing in it marks up.

    >>> in_markdown("<b>`x`</b>")
    '\\<b\\>\\`x\\`\\</b\\>'
    """
    return _MARKS.sub(r"\\\1", one_line(text))
