"""The option for the namespace of a pod that users name, and which pod they mean."""

from __future__ import annotations

from typing import Annotated

import typer

from xds.why.target import Candidate, choose

__all__ = ["Candidate", "NamespaceOption", "choose"]

NamespaceOption = Annotated[str, typer.Option("-n", "--namespace", metavar="NS", help="The namespace of the pod.")]
