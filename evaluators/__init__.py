"""A model variant to an exit trace: encoders, compression, GLUE tasks, traces, exit policies."""
