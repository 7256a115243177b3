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
from xds.view.specs import SecretSpec


def named_secrets(read: Read, at: RuleAt) -> tuple[SecretSpec, ...]:
    """The Secrets that the rule at ``at`` names, as certificates and as authorities."""
    found = read.get(rule, at)
    if found is None or not found.workload_selector or at.home != at.namespace:
        return ()
    specs: list[SecretSpec] = []
    for name in sorted(_named(found)):
        held: Credential | None = read.first(Table.CREDENTIAL, (at.namespace, name))
        if held is not None and held.private_key:
            specs.append(SecretSpec(names.credential(name), held.certificate, held.private_key))
        if held is not None and held.authorities:
            authorities = names.credential_authorities(name)
            specs.append(SecretSpec(authorities, authorities=held.authorities, revoked=held.revoked))
    return tuple(specs)


def _named(found: DestinationRule) -> set[str]:
    return {stated.credential for policies in found.every for stated in policies.that(Encrypting)} - {""}
