"""The pages: each has a ``layout`` of its run and registers its callbacks."""
