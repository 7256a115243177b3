"""The callers that AuthorizationPolicies name: of other meshes, or whom nobody is."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from xds.model.problem import Problem, Severity
from xds.model.refs import FieldRef
from xds.model.snapshot import Table
from xds.model.workload import Workload
from xds.translators.authorization.policy import MESH, Attribute, Condition, PolicyRules
from xds.view.graph import Read
from xds.view.scope import mesh

_SOURCE_FIELDS: Final = {
    Attribute.PRINCIPAL: ("principals", "notPrincipals"),
    Attribute.NAMESPACE: ("namespaces", "notNamespaces"),
    Attribute.SERVICE_ACCOUNT: ("serviceAccounts", "notServiceAccounts"),
}
_WHEN_FIELDS: Final = ("values", "notValues")


class Named(NamedTuple):
    """A value by which a policy names callers, and its field."""

    at: FieldRef
    attribute: Attribute
    text: str


def findings(read: Read, policy: PolicyRules) -> Iterator[Problem]:
    """What is wrong with the callers that a policy names; what nobody is, only where workloads are known."""
    own = {*read.get(mesh).trust.all, MESH}
    namespaces = read.get(namespaces_known)
    for named in _named(policy):
        domain, slash, path = named.text.partition("/")
        if named.attribute is Attribute.PRINCIPAL:
            if slash and domain != "spiffe:" and "*" not in domain and domain not in own:
                message = f"{domain!r} is no trust domain of this mesh; only callers of a federated mesh have such ids"
                yield Problem(named.at, "authorization.foreign-trust-domain", message, Severity.WARNING)
            parts = path.split("/")
            account = (parts[1], parts[3]) if domain in own and len(parts) == 4 else None
        else:
            account = (domain, path)
        if namespaces and account is not None:
            yield from _unknown(read, named.at, account, namespaces)


def namespaces_known(read: Read) -> frozenset[str]:
    """The namespaces that there are; none when no workload is known."""
    used = {namespace for namespace, _ in read.keys(Table.WORKLOAD)}
    return frozenset(used | set(read.keys(Table.NAMESPACE))) if used else frozenset()


def accounts(read: Read, namespace: str) -> frozenset[str]:
    """The service accounts that workloads of a namespace have."""
    keys = (key for key in read.keys(Table.WORKLOAD) if key[0] == namespace)
    pods: Iterable[Workload | None] = (read.first(Table.WORKLOAD, key) for key in keys)
    return frozenset(pod.service_account or "default" for pod in pods if pod is not None)


def _unknown(read: Read, at: FieldRef, account: tuple[str, str], namespaces: frozenset[str]) -> Iterator[Problem]:
    namespace, name = account
    if "*" in namespace + name:
        return
    if namespace not in namespaces:
        message = f"there is no namespace {namespace!r} in this mesh{_near(namespace, namespaces)}"
        yield Problem(at, "authorization.namespace-unknown", message, Severity.WARNING)
    elif name and name not in read.get(accounts, namespace):
        near = _near(name, read.get(accounts, namespace))
        message = f"no workload of namespace {namespace!r} has the service account {name!r}{near}"
        yield Problem(at, "authorization.account-unknown", message, Severity.INFO)


def _near(text: str, known: frozenset[str]) -> str:
    found = difflib.get_close_matches(text, sorted(known), n=1)
    return f"; did you mean {found[0]!r}?" if found else ""


def _named(policy: PolicyRules) -> Iterator[Named]:
    for number, rule in enumerate(policy.rules):
        at = FieldRef(policy.ref, ("spec", "rules", number))
        for index, source in enumerate(rule.sources):
            for condition in source:
                fields = _SOURCE_FIELDS.get(condition.attribute, _WHEN_FIELDS)
                yield from _in(condition, at / "from" / index / "source", fields)
        for index, condition in enumerate(rule.when):
            yield from _in(condition, at / "when" / index, _WHEN_FIELDS)


def _in(condition: Condition, at: FieldRef, fields: tuple[str, str]) -> Iterator[Named]:
    if condition.attribute in _SOURCE_FIELDS:
        for field, values in zip(fields, (condition.values, condition.not_values), strict=True):
            yield from (Named(at / field / index, condition.attribute, text) for index, text in enumerate(values))
