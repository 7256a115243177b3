"""Machines that are no pods: how they join, their entries, their health."""
