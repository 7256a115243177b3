"""What is raised when what a person asked for cannot be done."""

from __future__ import annotations


class Failure(Exception):
    """One line for the user: what went wrong and what would help. ``plait`` prints it and exits with 2."""


class Unreachable(Failure):
    """Nobody answers there."""
