"""Where a sampler's random streams are, kept with each trial: a resumed run goes on in them.

Optuna's samplers keep what they know of a study in its trials, but not how far their generators
have been drawn from. A generator is MT19937: its position is how many words of 32 bits it has given
since its seed, and that many words drawn from a new one bring it there.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from optuna.samplers import BaseSampler
from optuna.samplers._lazy_random_state import LazyRandomState

_BLOCK: Final = 624
"""Words that MT19937 makes at a time."""
_MOST_BLOCKS: Final = 1_000_000


class SamplerPosition:
    """Positions of a sampler's generators, from when they were seeded."""

    def __init__(self, sampler: BaseSampler) -> None:
        """Of a sampler that was just made."""
        self._streams = _streams(sampler)
        self._at_block = [_copied(stream) for stream in self._streams]
        self._blocks = [0 for _ in self._streams]

    def words(self) -> list[int]:
        """Words drawn so far from each generator."""
        found = []
        for i, stream in enumerate(self._streams):
            state: Any = stream.get_state(legacy=False)
            block = self._at_block[i]
            while not np.array_equal(_key(block), state["state"]["key"]):
                block.random_raw(_BLOCK, output=False)
                self._blocks[i] += 1
                assert self._blocks[i] < _MOST_BLOCKS, "a generator was seeded anew"
            found.append(_BLOCK * (self._blocks[i] - 1) + int(state["state"]["pos"]))
        return found

    def go_to(self, words: list[Any]) -> None:
        """Bring each generator to where it was when `words` gave these numbers.

        Raises:
            ValueError: they are not of this kind of sampler.
        """
        if len(words) != len(self._streams) or not all(
            isinstance(n, int) and 0 <= n < _MOST_BLOCKS * _BLOCK for n in words
        ):
            raise ValueError(f"positions {words} are not those of such a sampler")
        for stream, drawn in zip(self._streams, words, strict=True):
            generator: Any = stream._bit_generator
            generator.random_raw(drawn, output=False)


def _streams(sampler: BaseSampler) -> list[np.random.RandomState]:
    """Generators of a sampler and of the samplers that it asks, each once, in a fixed order."""
    found: list[np.random.RandomState] = []
    for name in sorted(vars(sampler)):
        value = getattr(sampler, name)
        if isinstance(value, LazyRandomState):
            found.append(value.rng)
        elif isinstance(value, BaseSampler):
            found += _streams(value)
    return found


def _copied(stream: np.random.RandomState) -> np.random.MT19937:
    generator = np.random.MT19937()
    state: Any = stream.get_state(legacy=False)
    generator.state = {"bit_generator": "MT19937", "state": state["state"]}
    return generator


def _key(generator: np.random.MT19937) -> Any:
    state: Any = generator.state
    return state["state"]["key"]
