"""A study as data and as arithmetic: specs, presets, recorded traces, records and scoring."""
