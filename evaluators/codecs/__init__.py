"""Number formats at work on tensors: scales, rounding, codes and bytes, without torch."""
