"""Export folders: one design as an RTL engineer and an ML engineer build it, and what checks it."""
