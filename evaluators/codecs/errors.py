"""What can go wrong with numbers; it imports nothing, so that naming it costs nothing."""

from __future__ import annotations


class NotFiniteError(ValueError):
    """Under some setting an encoder's numbers leave fp32, so that it cannot be evaluated."""
