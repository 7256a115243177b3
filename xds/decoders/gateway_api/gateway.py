"""GatewayClasses and Gateways."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from xds.decoders.gateway_api.references import reference, secret, unheeded
from xds.decoders.row import Authored, Row
from xds.kinds.authored import LabelSelector
from xds.kinds.gateway_api import gateway as structs
from xds.kinds.gateway_api.gateway_class import GatewayClassSpec
from xds.kinds.gateway_api.listener_set import ListenerSetSpec
from xds.model.gateway import EdgeTlsMode, GatewaySelector
from xds.model.gateway_api import (
    GATEWAY_NAME,
    Admission,
    ApiGateway,
    Clients,
    GatewayClass,
    GroupKind,
    Listener,
    ListenerSet,
    Requirement,
    shortened,
)
from xds.model.infrastructure import is_plain
from xds.model.labels import labels
from xds.model.policy import Policies
from xds.model.refs import ObjectRef
from xds.model.snapshot import Input, Table
from xds.translators.direct_responses.policy import DirectResponse

TERMINATE_MODE = "gateway.istio.io/tls-terminate-mode"
"""The option by which Istio's users say MUTUAL and the like."""
LISTENER_PROTOCOL = "gateway.istio.io/listener-protocol"
"""The option by which they say that connections are passed on by their SNI, with mode Passthrough."""
MISDIRECTED = Policies((DirectResponse(421),))


def decode_class(authored: Authored) -> Iterator[Row]:
    """The row of a GatewayClass."""
    spec: GatewayClassSpec = authored.struct.spec
    ours = spec.controller_name in authored.gateway_controllers
    made = GatewayClass(authored.ref, spec.controller_name, spec.parameters_ref is not None, ours)
    yield Row(Input(Table.GATEWAY_CLASS, authored.ref.name), made)


def decode_set(authored: Authored) -> Iterator[Row]:
    """The rows of a ListenerSet: by name, and by its Gateway."""
    spec: ListenerSetSpec = authored.struct.spec
    ref, parent = authored.ref, spec.parent_ref
    _check_options(authored, spec.listeners)
    found = ListenerSet(
        ref=ref,
        gateway=ObjectRef(parent.group, parent.kind, parent.namespace or ref.namespace, parent.name),
        listeners=tuple(replace(_listener(each, ref.namespace), owner=ref) for each in spec.listeners),
        created=authored.created,
    )
    yield Row(Input(Table.LISTENER_SET, ref), found)
    yield Row(Input(Table.LISTENER_SETS, found.gateway), found)


def decode(authored: Authored) -> Iterator[Row]:
    """The rows of a Gateway: by name, and which proxies it is for, whosever its class is."""
    spec: structs.GatewaySpec = authored.struct.spec
    ref, home = authored.ref, authored.ref.namespace
    infrastructure = spec.infrastructure
    parameters = infrastructure.parameters_ref if infrastructure is not None else None
    unheeded(
        authored.spec / "infrastructure" / "parametersRef", authored.reading, parameters, "settings in it are not read"
    )
    for key in infrastructure.annotations if infrastructure is not None else ():
        at = (authored.spec / "infrastructure" / "annotations").key(key)
        unheeded(at, authored.reading, not is_plain(key), "is on the Service only: elsewhere some act upon it")
    _check_options(authored, spec.listeners)
    backend = spec.tls.backend if spec.tls is not None else None
    shown = backend.client_certificate_ref if backend is not None else None
    gateway = ApiGateway(
        ref=ref,
        class_name=spec.gateway_class_name,
        listeners=tuple(_listener(each, home) for each in spec.listeners),
        addresses=tuple((each.type, each.value) for each in spec.addresses),
        parameters=reference(parameters, home) if parameters is not None else None,
        client_certificate=secret(shown, home) if shown is not None else None,
        created=authored.created,
        misdirected=MISDIRECTED,
        allowed_sets=_admitted(spec.allowed_listeners),
        clients=tuple(_by_port(spec.tls, home)),
    )
    yield Row(Input(Table.API_GATEWAY, ref), gateway)
    selector = GatewaySelector(ref, authored.created, labels({GATEWAY_NAME: shortened(ref.name)}), home)
    yield Row(Input(Table.GATEWAY_SELECTOR, ""), selector)


def _check_options(authored: Authored, listeners: Iterable[structs.Listener]) -> None:
    for index, each in enumerate(listeners):
        unknown = sorted(set(each.tls.options) - {TERMINATE_MODE, LISTENER_PROTOCOL}) if each.tls is not None else []
        for name in unknown:
            at = (authored.spec / "listeners" / index / "tls" / "options").key(name)
            unheeded(at, authored.reading, name, f"is no option that Plait knows; there is {TERMINATE_MODE}")


def _listener(struct: structs.Listener, home: str) -> Listener:
    allowed = struct.allowed_routes
    return Listener(
        name=struct.name,
        port=struct.port,
        protocol=struct.protocol,
        hostname=(struct.hostname or "").lower(),
        mode=struct.tls.mode if struct.tls is not None else "",
        certificates=tuple(secret(each, home) for each in struct.tls.certificate_refs) if struct.tls else (),
        admission=Admission(
            sources=allowed.namespaces.from_,
            selector=_requirements(allowed.namespaces.selector),
            kinds=tuple(GroupKind(each.group, each.kind) for each in allowed.kinds),
        ),
        option=_option(struct.tls) if struct.tls is not None else "",
    )


def _option(tls: structs.ListenerTLSConfig) -> str:
    if tls.mode == "Passthrough" and tls.options.get(LISTENER_PROTOCOL) == "auto-passthrough":
        return EdgeTlsMode.AUTO_PASSTHROUGH.value
    return tls.options.get(TERMINATE_MODE, "")


def _by_port(whole: structs.GatewayTLSConfig | None, home: str) -> Iterator[tuple[int, Clients | None]]:
    frontend = whole.frontend if whole is not None else None
    stated = [(each.port, each.tls) for each in frontend.per_port] if frontend is not None else []
    for port, tls in [*stated, *([(0, frontend.default)] if frontend is not None else [])]:
        wanted = tls.validation
        if wanted is None:
            yield port, None
        else:
            refs = tuple(reference(each, home) for each in wanted.ca_certificate_refs)
            yield port, Clients(refs, wanted.mode == "AllowInsecureFallback")


def _admitted(allowed: structs.AllowedListeners | None) -> Admission:
    namespaces = (allowed or structs.AllowedListeners()).namespaces
    return Admission(namespaces.from_, _requirements(namespaces.selector))


def _requirements(selector: LabelSelector | None) -> tuple[Requirement, ...]:
    if selector is None:
        return ()
    exact = [Requirement(key, "In", (value,)) for key, value in sorted(selector.match_labels.items())]
    return (*exact, *(Requirement(each.key, each.operator, each.values) for each in selector.match_expressions))
