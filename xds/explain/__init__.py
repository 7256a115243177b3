"""Answers from what is known: what is wrong with the configuration, and why the mesh does what it does."""
