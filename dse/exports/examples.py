"""What to ask an exported model first, for pages and commands that say how to go on."""

from __future__ import annotations

from typing import Final

from evaluators.tasks import glue_task

_SENTENCE: Final = "a gripping film"
_PAIR: Final = ("two men play the guitar", "two people make music")


def example_words(task: str) -> tuple[str, ...]:
    """Arguments of ``dse predict`` behind the folder: a sentence, or two of a task with pairs.

    Raises:
        ValueError: there is no such task.

    >>> example_words("RTE")
    ('two men play the guitar', '--pair', 'two people make music')
    """
    return (_PAIR[0], "--pair", _PAIR[1]) if glue_task(task).is_pair else (_SENTENCE,)
