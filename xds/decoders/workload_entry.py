"""WorkloadEntries, WorkloadGroups, and what a ServiceEntry's endpoints share with them: an address that is no pod's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

from xds.decoders.addresses import canonical
from xds.decoders.row import Authored, Row
from xds.decoders.workloads import locality
from xds.kinds.workload_entry import WorkloadEntry as EntryStruct
from xds.kinds.workload_entry import WorkloadEntrySpec
from xds.kinds.workload_group import ReadinessProbe
from xds.kinds.workload_group import WorkloadGroup as GroupStruct
from xds.model.endpoint import UNIX
from xds.model.labels import Labels, labels
from xds.model.refs import FieldRef
from xds.model.snapshot import Input, Table
from xds.model.workload_entry import WELL, WorkloadEntry
from xds.model.workload_group import Check, Probe, WorkloadGroup
from xds.translators.feature import Reading

_LONGEST_PATH = 107  # of a socket, as the kernel has it; one byte more ends it


def decode(authored: Authored) -> Iterator[Row]:
    """The row of a WorkloadEntry: an endpoint of its namespace."""
    struct: EntryStruct = authored.struct
    spec = struct.spec
    check_address(spec, authored.spec, authored.reading)
    if not spec.address and not spec.network:
        message = "must be set, unless `network` says whose gateway leads to it"
        authored.reading.error(authored.spec / "address", "endpoint.address", message)
    entry = WorkloadEntry(
        ref=authored.ref,
        address=canonical(spec.address) or spec.address,
        labels=_labels(spec.labels, struct.metadata.labels),
        ports=tuple(sorted(spec.ports.items())),
        locality=locality(spec.locality),
        weight=spec.weight or 1,
        service_account=spec.service_account,
        network=spec.network,
        healthy=struct.metadata.annotations.get(WELL) != "false",
        created=authored.created,
    )
    yield Row(Input(Table.WORKLOAD_ENTRY, authored.ref.namespace), entry)


def _labels(stated: Mapping[str, str], of_object: Mapping[str, str]) -> Labels:
    return labels({**stated, **of_object})  # the object's own win, as in Istio


def check_address(spec: WorkloadEntrySpec, at: FieldRef, reading: Reading) -> None:
    """Note what is wrong with an endpoint's address; whether a name is one that can be resolved is the service's.

    Problems: endpoint.address, endpoint.unix.
    """
    address = spec.address
    if address.startswith(UNIX):
        path = address.removeprefix(UNIX)
        if not path.startswith(("/", "@")) or len(path.encode()) > _LONGEST_PATH or not path.isprintable():
            message = f"must be unix:// and a whole path of at most {_LONGEST_PATH} bytes (or @ and a name)"
            reading.error(at / "address", "endpoint.unix", message)
        if spec.ports:
            reading.error(at / "ports", "endpoint.unix", "must be left out for a socket in the file system")
    elif any(character.isspace() or character in "/|%" for character in address):
        message = f"must be an IP address, a DNS name, or unix:// and a path, is {address!r}"
        reading.error(at / "address", "endpoint.address", message)


def decode_group(authored: Authored) -> Iterator[Row]:
    """The row of a WorkloadGroup."""
    struct: GroupStruct = authored.struct
    spec, template, reading = struct.spec, struct.spec.template, authored.reading
    if spec.probe is not None and spec.probe.exec is not None:
        message = "is not carried out, as Envoy runs no commands; ask by httpGet, tcpSocket or grpc"
        reading.warning(authored.spec / "probe.exec", "workload-group.probe", message)
    if template.address:
        message = "must be left out: each workload has one of its own"
        reading.error(authored.spec / "template.address", "workload-group.address", message)
    group = WorkloadGroup(
        ref=authored.ref,
        labels=_labels(template.labels, spec.metadata.labels),
        annotations=labels(spec.metadata.annotations),
        ports=tuple(sorted(template.ports.items())),
        locality=locality(template.locality),
        weight=template.weight or 1,
        service_account=template.service_account,
        network=template.network,
        probe=_probe(spec.probe, authored.spec / "probe", reading) if spec.probe is not None else None,
        created=authored.created,
    )
    yield Row(Input(Table.WORKLOAD_GROUP, authored.ref), group)


def _probe(spec: ReadinessProbe, at: FieldRef, reading: Reading) -> Probe:
    check = _check(spec)
    if check is None:
        reading.error(at, "probe.missing", "must have httpGet, tcpSocket, grpc or exec")
    elif spec.exec is not None and not spec.exec.command:
        reading.error(at / "exec.command", "probe.command", "must have a command")
    elif check.path and not check.path.startswith("/"):
        reading.error(at / "httpGet.path", "probe.path", f"must begin with /, is {check.path!r}")
    return Probe(
        check=check or Check(),
        delay=timedelta(seconds=spec.initial_delay_seconds),
        timeout=timedelta(seconds=spec.timeout_seconds or 1),
        period=timedelta(seconds=spec.period_seconds or 10),
        successes=spec.success_threshold or 1,
        failures=spec.failure_threshold or 3,
    )


def _check(spec: ReadinessProbe) -> Check | None:
    if spec.http_get is not None:
        http = spec.http_get
        headers = tuple((header.name, header.value) for header in http.http_headers)
        return Check(http.port, http.path or "/", http.scheme or "HTTP", http.host, headers)
    if spec.tcp_socket is not None:
        return Check(spec.tcp_socket.port, host=spec.tcp_socket.host)
    if spec.grpc is not None:
        return Check(spec.grpc.port, service=spec.grpc.service, grpc=True)
    return Check(command=spec.exec.command) if spec.exec is not None else None
