"""Secrets that rules name: who may have them, and what of them is sent.

The rule that names one is of the Secret's own namespace and selects the workload (decoders/destination_rule.py), and so
is the layer of configuration that holds it: nobody else is sent a byte of it.
"""

from __future__ import annotations

from xds.model.credential import Credential
from xds.model.policy import Encrypting
from xds.model.service import DestinationRule
from xds.model.snapshot import Table
from xds.view import names
from xds.view.attach import RuleAt, rule
from xds.view.graph import Read
from xds.view.specs.resources import SecretSpec


def named(read: Read, at: RuleAt) -> tuple[str, ...]:
    """The names of the Secrets that the rule at ``at`` may give those it selects, sorted."""
    found: DestinationRule | None = read.get(rule, at)
    if found is None or not found.workload_selector or at.home != at.namespace:
        return ()
    every = {stated.credential for policies in found.every for stated in policies.that(Encrypting)}
    return tuple(sorted(every - {""}))


def secret(read: Read, namespace: str, name: str) -> tuple[SecretSpec, ...]:
    """A Secret as a certificate and as authorities, as far as it has them.

    Authorities may stand in a Secret of their own beside it, NAME-cacert, which then wins, as in Istio.
    """
    held: Credential | None = read.first(Table.CREDENTIAL, (namespace, name))
    beside: Credential | None = read.first(Table.CREDENTIAL, (namespace, f"{name}{names.OF_AUTHORITIES}"))
    specs: list[SecretSpec] = []
    if held is not None and held.private_key:
        specs.append(SecretSpec(names.credential(name), held.certificate, held.private_key))
    believed = beside if beside is not None and beside.authorities else held
    if believed is not None and believed.authorities:
        authorities = names.credential_authorities(name)
        specs.append(SecretSpec(authorities, authorities=believed.authorities, revoked=believed.revoked))
    return tuple(specs)
