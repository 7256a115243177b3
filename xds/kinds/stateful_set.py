"""StatefulSet: some pods with names that last."""

from __future__ import annotations

from typing import Annotated, ClassVar

from xds.kinds.authored import Kind, LabelSelector, Lenient, Stored
from xds.kinds.pod import PodTemplateSpec
from xds.kinds.quantities import NaturalInt32, about


class StatefulSetSpec(Lenient, frozen=True, kw_only=True):
    """How many pods, and which."""

    replicas: Annotated[NaturalInt32 | None, about("Number of pods; 1 when absent.")] = None
    service_name: Annotated[str, about("Headless service that the pods have names in.")] = ""
    selector: Annotated[LabelSelector, about("Labels of the pods.")] = LabelSelector()
    template: Annotated[PodTemplateSpec, about("The pods.")]


class StatefulSet(Stored, frozen=True, kw_only=True):
    """Some pods with names that last: NAME-0, NAME-1 ..."""

    KIND: ClassVar[Kind] = Kind("apps", "StatefulSet", ("v1",), "statefulsets", ("sts",))

    spec: Annotated[StatefulSetSpec, about("How many pods, and which.")]
