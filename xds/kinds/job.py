"""Job: pods that run to their end."""

from __future__ import annotations

from typing import Annotated, ClassVar

from xds.kinds.authored import Kind, LabelSelector, Lenient, Stored
from xds.kinds.pod import PodTemplateSpec
from xds.kinds.quantities import NaturalInt32, about


class JobSpec(Lenient, frozen=True, kw_only=True):
    """How many pods, and which."""

    parallelism: Annotated[NaturalInt32 | None, about("Pods at one time; 1 when absent.")] = None
    completions: Annotated[NaturalInt32 | None, about("Pods that must succeed; 1 when absent.")] = None
    backoff_limit: Annotated[NaturalInt32 | None, about("Failures after which it gives up; 6 when absent.")] = None
    suspend: Annotated[bool | None, about("Whether it waits.")] = None
    selector: Annotated[LabelSelector | None, about("Labels of the pods; made when absent.")] = None
    template: Annotated[PodTemplateSpec, about("The pods.")]


class Job(Stored, frozen=True, kw_only=True):
    """Pods that run to their end."""

    KIND: ClassVar[Kind] = Kind("batch", "Job", ("v1",), "jobs")

    spec: Annotated[JobSpec, about("How many pods, and which.")]
