"""Cells that are read as something else than was written: rates, images and weights, no torch."""
