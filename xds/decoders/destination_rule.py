"""DestinationRules: hosts and subsets; what is done there is the features' business."""

from __future__ import annotations

from collections.abc import Iterator

from xds.decoders.placed import placed_rows
from xds.decoders.row import Authored, Row
from xds.kinds.destination_rule import DestinationRule as Struct
from xds.kinds.destination_rule import Subset as SubsetStruct
from xds.kinds.traffic_policy import TrafficPolicy
from xds.model.labels import NO_LABELS, labels
from xds.model.policy import NO_POLICIES, Encrypting, Policies
from xds.model.refs import FieldRef
from xds.model.service import DestinationRule, Subset
from xds.model.snapshot import Input, Table
from xds.translators.decode_policies import decode_policies
from xds.translators.feature import TRAFFIC_POLICY, Reading


def decode(authored: Authored) -> Iterator[Row]:
    """The rows of a DestinationRule: under its namespace and host."""
    struct: Struct = authored.struct
    spec, reading, at = struct.spec, authored.reading, authored.spec
    policies, of_ports = _traffic_policy(spec.traffic_policy, at / "trafficPolicy", reading)
    selector = spec.workload_selector
    found = DestinationRule(
        ref=authored.ref,
        host=reading.fqdn(spec.host),
        export_to=spec.export_to,
        workload_selector=labels(selector.match_labels) if selector is not None else NO_LABELS,
        policies=policies,
        port_policies=of_ports,
        subsets=_subsets(spec.subsets, at / "subsets", reading),
        created=authored.created,
    )
    _check_credentials(found, at, reading)
    yield Row(Input(Table.RULE, (authored.ref.namespace, found.host)), found)
    yield Row(Input(Table.HOME, authored.ref.namespace), authored.ref)
    if found.host.startswith("*"):
        yield Row(Input(Table.RULE_WILDCARD, authored.ref.namespace), found.host)
    for policies in dict.fromkeys(found.every):
        yield from placed_rows(policies, authored.ref)
    for key, _ in sorted(found.workload_selector):
        yield Row(Input(Table.SELECTOR_KEY, key), authored.ref)
    for namespace in found.export_to:
        if namespace not in ("*", "~", "."):
            yield Row(Input(Table.HOME, namespace), authored.ref)


def _check_credentials(found: DestinationRule, at: FieldRef, reading: Reading) -> None:
    """Istio gives sidecars a Secret by rules with workloadSelector only, else speaks plaintext; here that is said."""
    if found.workload_selector:
        return
    named = {stated.credential for policies in found.every for stated in policies.that(Encrypting)} - {""}
    for name in sorted(named):
        message = f"must be set where credentialName ({name!r}) is: a Secret is given to chosen workloads only"
        reading.error(at / "workloadSelector", "tls.credential-for-all", message)


def _subsets(structs: tuple[SubsetStruct, ...], at: FieldRef, reading: Reading) -> tuple[Subset, ...]:
    found: dict[str, Subset] = {}
    for index, struct in enumerate(structs):
        here = at / index
        policies, of_ports = _traffic_policy(struct.traffic_policy, here / "trafficPolicy", reading)
        if struct.name in found:
            reading.error(here / "name", "subset.twice", f"{struct.name!r} names two subsets")
        elif any(character in struct.name for character in "|/ "):
            reading.error(here / "name", "subset.name", f"must have no '|', '/' or space, is {struct.name!r}")
        else:
            found[struct.name] = Subset(struct.name, labels(struct.labels), policies, of_ports)
    return tuple(found.values())


def _traffic_policy(
    struct: TrafficPolicy | None, at: FieldRef, reading: Reading
) -> tuple[Policies, tuple[tuple[int, Policies], ...]]:
    if struct is None:
        return NO_POLICIES, ()
    of_ports: dict[int, Policies] = {}
    for index, port in enumerate(struct.port_level_settings):
        here = at / "portLevelSettings" / index
        number = port.port.number if port.port is not None else 0
        if not number:
            reading.error(here / "port", "port-settings.port", "must name a port")
        elif number in of_ports:
            reading.error(here / "port.number", "port-settings.twice", f"{number} has settings already")
        else:
            of_ports[number] = decode_policies(TRAFFIC_POLICY, port, here, reading)
    return decode_policies(TRAFFIC_POLICY, struct, at, reading), tuple(sorted(of_ports.items(), key=lambda p: p[0]))
