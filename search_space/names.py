"""Near names: what a misspelt name may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence that offers the known name nearest to a misspelt one.

    Case is ignored when names are compared. Empty if no known name is near, so a message can
    always end in ``f"{nearest(name, known)}"``.

    >>> nearest("acuracy", ["accuracy", "area_mm2"])
    ", did you mean 'accuracy'?"
    >>> nearest("colour", ["accuracy", "area_mm2"])
    ''
    """
    by_folded_name = {candidate.casefold(): candidate for candidate in known}
    near = difflib.get_close_matches(name.casefold(), by_folded_name, n=1)
    return f", did you mean {by_folded_name[near[0]]!r}?" if near else ""
