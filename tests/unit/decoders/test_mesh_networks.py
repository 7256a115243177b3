"""MeshNetworks in the mesh's ConfigMap: a text of its own, whose faults are told where they stand."""

from __future__ import annotations

import pytest

from tests.objects import applied
from xds.decoders.build import Builder
from xds.decoders.shape.documents import split
from xds.decoders.shape.manifests import field_line, read_document
from xds.model.network import NetworkGateway, NetworkMember
from xds.model.snapshot import Table

CONFIG_MAP = """\
apiVersion: v1
kind: ConfigMap
metadata: {{name: istio, namespace: istio-system}}
data:
  mesh: |
    accessLogFile: ""
  meshNetworks: |
    networks:
      east:
        endpoints: [{{fromRegistry: c2}}, {{fromCidr: 10.1.2.3/16}}]
        gateways:
        - {}
"""
GATEWAY = "{address: 192.0.2.1, port: 15443, locality: eu/a}"


def test_networks_are_rows() -> None:
    (document,) = split(CONFIG_MAP.format(GATEWAY), "mesh.yaml")
    read = read_document(document)
    snapshot = applied(Builder(), read.objects).snapshot
    members: tuple[NetworkMember, ...] = snapshot.rows(Table.NETWORK_MEMBER, "")
    assert {(each.network, each.registry, each.cidr) for each in members} == {
        ("east", "c2", ""),
        ("east", "", "10.1.0.0/16"),
    }
    (gateway,) = snapshot.rows(Table.NETWORK_GATEWAY, "east")
    assert isinstance(gateway, NetworkGateway)
    assert (gateway.address, gateway.port, gateway.locality.zone) == ("192.0.2.1", 15443, "a")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("{address: a, prt: 1}", "data.meshNetworks.networks.east.gateways[0].prt"),
        ("{address: [}", "data.meshNetworks"),
    ],
)
def test_faults_are_told_as_fields_of_the_config_map(text: str, field: str) -> None:
    (document,) = split(CONFIG_MAP.format(text), "mesh.yaml")
    read = read_document(document)
    assert [problem.at.dotted for problem in read.problems] == [field]
    assert not [found for found in read.objects if found.ref.kind == "MeshConfig"]


def test_the_line_of_what_is_wrong_with_their_meaning_is_known() -> None:
    (document,) = split(CONFIG_MAP.format("{address: 192.0.2.1}"), "mesh.yaml")
    builder = Builder()
    applied(builder, read_document(document).objects)
    (problem,) = [each for each in builder.problems if each.code == "network.gateway-port"]
    assert field_line(problem.at, document, 1) == 12
