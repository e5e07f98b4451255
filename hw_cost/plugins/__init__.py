"""Plug-ins: cost models of others on the same designs. Each imports its package when called."""
