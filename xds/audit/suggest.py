"""The least that has to be allowed for what was seen: one ALLOW policy a workload, with what was seen as comments."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import yaml

from xds.audit.seen import KnownWorkload, Reading, Seen, Workloads
from xds.model.identity import SCHEME
from xds.model.seen import OTHER_METHOD

Json = dict[str, Any]

# Labels that the cluster and the mesh make, and that change with each generation of pods.
_GENERATED: Final = (
    "pod-template-hash",
    "controller-revision-hash",
    "statefulset.kubernetes.io/",
    "apps.kubernetes.io/",
    "batch.kubernetes.io/",
    "job-name",
    "controller-uid",
    "security.istio.io/",
    "service.istio.io/",
    "istio.io/",
    "sidecar.istio.io/",
    "topology.istio.io/",
)
_USUAL: Final = (("app",), ("app.kubernetes.io/name",), ("app", "version"), ("app.kubernetes.io/instance",))


@dataclass(frozen=True, slots=True)
class Rule:
    """What one caller needs, as a rule of a policy, and how it was seen."""

    rule: Json
    seen: str


@dataclass(frozen=True, slots=True)
class Suggestion:
    """The policy of a workload, with ``notes`` on what it cannot say; no ``rules`` where nobody can be allowed."""

    namespace: str
    workload: str
    selector: Mapping[str, str]
    rules: tuple[Rule, ...]
    notes: tuple[str, ...]

    def manifest(self) -> Json:
        """The AuthorizationPolicy."""
        return {**self._head(), "spec": {**self._spec(), "rules": [each.rule for each in self.rules]}}

    def text(self) -> str:
        """The same as YAML, with the comments; comments alone where there are no rules."""
        notes = "".join(f"# {note}\n" for note in self.notes)
        if not self.rules:
            return notes
        head = yaml.safe_dump({**self._head(), "spec": {**self._spec(), "rules": None}}, sort_keys=False, width=1000)
        lines = [notes + head.removesuffix(" null\n")]
        for each in self.rules:
            lines.append(f"  # {each.seen}")
            body = yaml.safe_dump([each.rule], sort_keys=False, width=1000)
            lines.extend(f"  {line}" for line in body.splitlines())
        return "\n".join(lines) + "\n"

    def _head(self) -> Json:
        return {
            "apiVersion": "security.istio.io/v1",
            "kind": "AuthorizationPolicy",
            "metadata": {"name": f"{self.workload}-callers", "namespace": self.namespace},
        }

    def _spec(self) -> Json:
        return {"selector": {"matchLabels": dict(self.selector)}, "action": "ALLOW"}


def suggestions(namespace: str, readings: Iterable[Reading], workloads: Workloads) -> list[Suggestion]:
    """A suggestion for every workload of the namespace, by name; those without a sidecar enforce none."""
    of_pod = {(each.namespace, each.pod): each for each in readings}
    found = []
    for (_, name), pods in workloads.grouped(namespace).items():
        known = [of_pod[key] for each in pods if (key := (each.namespace, each.pod)) in of_pod]
        found.append(_suggestion(namespace, name, pods, known, workloads))
    return found


def _suggestion(
    namespace: str, name: str, pods: Sequence[KnownWorkload], readings: Sequence[Reading], workloads: Workloads
) -> Suggestion:
    notes = [f"{namespace}/{name}: {_counted(pods, readings)}"]
    selector, also = _selector(pods, workloads)
    rules = tuple(_rules(readings)) if selector else ()
    if not readings:
        notes.append("it has no sidecar: nothing would enforce a policy")
    elif not selector:
        notes.append("its pods have no labels of their own, so no policy can select them")
    elif not rules:
        notes.append("nobody was seen that could be allowed; an ALLOW policy without rules would refuse everybody")
    if also:
        notes.append(f"its labels also select {', '.join(also)}")
    notes += _beyond_policies(readings, workloads)
    return Suggestion(namespace, name, selector, rules, tuple(notes))


def _counted(pods: Sequence[KnownWorkload], readings: Sequence[Reading]) -> str:
    number = f"{len(pods)} pod{'s' if len(pods) != 1 else ''}"
    if not readings:
        return number
    shortest = min(each.running for each in readings)
    since = timedelta(seconds=int(shortest.total_seconds()))
    return f"{number}, seen since the sidecars started (the latest {since} ago)"


def _rules(readings: Iterable[Reading]) -> Iterable[Rule]:
    """One rule a caller, by its identity; methods that were seen are allowed together."""
    by_caller: dict[str, list[Seen]] = defaultdict(list)
    for reading in readings:
        for each in reading.proven:
            by_caller[each.caller].append(each)
    for caller, seen in sorted(by_caller.items()):
        principal = caller.removeprefix(SCHEME)
        operations = [{"operation": operation} for operation in _operations(seen)]
        yield Rule({"from": [{"source": {"principals": [principal]}}], "to": operations}, _tally(seen))


def _operations(seen: Iterable[Seen]) -> Iterable[Json]:
    methods: dict[int, set[str]] = defaultdict(set)
    for each in seen:
        methods[each.port].add(each.method)
    ports: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for port, used in sorted(methods.items()):
        # A connection has no method; and one that is unusual cannot be named, for it was not told apart.
        named = () if used & {"", OTHER_METHOD} else tuple(sorted(used))
        ports[named].append(str(port))
    for named, numbers in ports.items():
        yield {"ports": numbers, "methods": list(named)} if named else {"ports": numbers}


def _tally(seen: Iterable[Seen]) -> str:
    times = Counter[str]()
    for each in seen:
        what = {"requests": each.method, "connections": "connections", "open": "minutes of open connections"}
        times[f"{what.get(each.what, each.what)} on port {each.port}"] += each.times
    return "seen: " + ", ".join(f"{number} {what}" for what, number in sorted(times.items()))


def _beyond_policies(readings: Iterable[Reading], workloads: Workloads) -> Iterable[str]:
    plaintext = Counter[tuple[str, int]]()
    more = Counter[bool]()
    for reading in readings:
        for seen in reading.plaintext:
            plaintext[seen.caller, seen.port] += seen.times
        for (proven, _), times in reading.more.items():
            more[proven] += times
    for (address, port), times in sorted(plaintext.items()):
        caller = workloads.caller(address)
        yield f"plaintext, which no principal can name: {caller}, {times} times on port {port}; would be refused"
    for proven, times in sorted(more.items()):
        callers = "proven callers" if proven else "callers in plaintext"
        yield f"{times} more times from {callers} that were too many to be told apart"


def _selector(pods: Sequence[KnownWorkload], workloads: Workloads) -> tuple[Mapping[str, str], list[str]]:
    """The labels that select these pods; and the other workloads that the best labels select as well."""
    common = {
        key: value
        for key, value in sorted(pods[0].labels.items())
        if not key.startswith(_GENERATED) and all(each.labels.get(key) == value for each in pods)
    }
    if not common:
        return {}, []
    usual = [keys for keys in _USUAL if all(key in common for key in keys)]
    for keys in (*usual, *((key,) for key in common)):
        chosen = {key: common[key] for key in keys}
        if not _others(chosen, pods[0], workloads):
            return chosen, []
    return common, _others(common, pods[0], workloads)


def _others(chosen: Mapping[str, str], own: KnownWorkload, workloads: Workloads) -> list[str]:
    found = {
        each.workload
        for each in workloads.all
        if each.namespace == own.namespace and each.workload != own.workload and chosen.items() <= each.labels.items()
    }
    return sorted(found)
