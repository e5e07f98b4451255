"""Units of capacity, and the array types that the room's signatures use.

Everywhere else a unit is the suffix of a name: pJ, ns, mm2, mW, V, GHz. pJ / ns = mW and
cycles / GHz = ns, so no factor appears between them.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Levels = NDArray[np.int16]
Bools = NDArray[np.bool_]

BITS_PER_KIB: Final = 8 * 1024
BITS_PER_MIB: Final = 8 * 1024 * 1024
BITS_PER_MBIT: Final = 1024 * 1024
UM2_PER_MM2: Final = 1e6
NS_PER_MS: Final = 1e6


def ceil_div(a: Ints, b: Ints | int) -> Ints:
    """Whole number of pieces of size b that cover a; a and b broadcast.

    >>> int(ceil_div(np.array(17), 16))
    2
    """
    return -(-a // b)
