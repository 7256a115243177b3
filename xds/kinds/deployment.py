"""Deployment: some equal pods."""

from __future__ import annotations

from typing import Annotated, ClassVar

from xds.kinds.authored import Kind, LabelSelector, Lenient, Stored
from xds.kinds.pod import PodTemplateSpec
from xds.kinds.quantities import NaturalInt32, about


class DeploymentSpec(Lenient, frozen=True, kw_only=True):
    """How many pods, and which."""

    replicas: Annotated[NaturalInt32 | None, about("Number of pods; 1 when absent.")] = None
    selector: Annotated[LabelSelector, about("Labels of the pods.")] = LabelSelector()
    template: Annotated[PodTemplateSpec, about("The pods.")]


class Deployment(Stored, frozen=True, kw_only=True):
    """Some equal pods."""

    KIND: ClassVar[Kind] = Kind("apps", "Deployment", ("v1",), "deployments", ("deploy",))

    spec: Annotated[DeploymentSpec, about("How many pods, and which.")]
