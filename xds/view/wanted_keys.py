"""Which keys of token issuers the policies of a mesh need."""

from __future__ import annotations

from xds.model.policy import Keyed
from xds.model.security import AttachedPolicy
from xds.model.snapshot import Snapshot, Table


def wanted_keys(snapshot: Snapshot) -> frozenset[str]:
    """The URIs of all key sets that policies name, whether or not they are attached to anybody."""
    rows = (row for key in snapshot.keys(Table.POLICY) for row in snapshot.rows(Table.POLICY, key))
    attached = (row for row in rows if isinstance(row, AttachedPolicy))
    return frozenset(uri for each in attached for policy in each.policies.that(Keyed) for uri in policy.key_sets())
