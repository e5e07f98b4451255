"""The exit predictor: from the entropy at exit 1 to the entropies of the later exits, as a table.

A small network is fitted on training sentences and tabulated at entropies 0.00, 0.01, … 0.99 nats
(Tambe et al., "EdgeBERT", MICRO 2021; layer sizes and loss after the authors' released notebook:
four hidden layers of 64, ReLU, Adam, squared error, negative outputs set to 0).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from evaluators.traces import ENTROPY_STEP, LUT_ROWS

_STEPS: Final = 300
_LEARNING_RATE: Final = 3e-3
_HIDDEN: Final = 64


def predicted_entropy_table(entropy: NDArray[np.float64]) -> NDArray[np.float16]:
    """Predicted entropies (`LUT_ROWS`, n_exits - 2) of exits 2 … n_exits - 1, nats.

    Args:
        entropy: (n_sentences, n_exits) entropies of training sentences, nats.
    """
    n_outputs = entropy.shape[1] - 2
    if n_outputs == 0:  # two exits: nothing between the first and the last
        return np.zeros((LUT_ROWS, 0), dtype=np.float16)
    state = torch.random.get_rng_state()
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Linear(1, _HIDDEN), nn.ReLU()]
    for _ in range(3):
        layers += [nn.Linear(_HIDDEN, _HIDDEN), nn.ReLU()]
    network = nn.Sequential(*layers, nn.Linear(_HIDDEN, n_outputs))
    torch.random.set_rng_state(state)
    inputs = torch.tensor(entropy[:, :1], dtype=torch.float32)
    targets = torch.tensor(entropy[:, 1:-1], dtype=torch.float32)
    optimiser = torch.optim.Adam(network.parameters(), lr=_LEARNING_RATE)
    for _ in range(_STEPS):
        optimiser.zero_grad()
        nn.functional.mse_loss(network(inputs), targets).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    rows = (torch.arange(LUT_ROWS, dtype=torch.float32) * ENTROPY_STEP)[:, None]
    with torch.no_grad():
        table: NDArray[np.float16] = network(rows).clamp(min=0).numpy().astype(np.float16)
    return table
