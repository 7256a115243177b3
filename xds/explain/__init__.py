"""Answers from snapshot, specs and provenance."""
