"""GatewayClasses and Gateways."""

from __future__ import annotations

from collections.abc import Iterator

from xds.decoders.gateway_api.references import reference, secret
from xds.decoders.row import Authored, Row
from xds.kinds.authored import LabelSelector
from xds.kinds.gateway_api import gateway as structs
from xds.kinds.gateway_api.gateway_class import GatewayClassSpec
from xds.model.gateway import GatewaySelector
from xds.model.gateway_api import (
    GATEWAY_NAME,
    Admission,
    ApiGateway,
    GatewayClass,
    GroupKind,
    Listener,
    Requirement,
    shortened,
)
from xds.model.labels import labels
from xds.model.policy import Policies
from xds.model.snapshot import Input, Table
from xds.translators.direct_responses.policy import DirectResponse

TERMINATE_MODE = "gateway.istio.io/tls-terminate-mode"
"""The option by which Istio's users say MUTUAL and the like."""
MISDIRECTED = Policies((DirectResponse(421),))


def decode_class(authored: Authored) -> Iterator[Row]:
    """The row of a GatewayClass."""
    spec: GatewayClassSpec = authored.struct.spec
    made = GatewayClass(authored.ref, spec.controller_name, spec.parameters_ref is not None)
    yield Row(Input(Table.GATEWAY_CLASS, authored.ref.name), made)


def decode(authored: Authored) -> Iterator[Row]:
    """The rows of a Gateway: by name, and which proxies it is for, whosever its class is."""
    spec: structs.GatewaySpec = authored.struct.spec
    ref, home = authored.ref, authored.ref.namespace
    infrastructure = spec.infrastructure
    parameters = infrastructure.parameters_ref if infrastructure is not None else None
    backend = spec.tls.backend if spec.tls is not None else None
    shown = backend.client_certificate_ref if backend is not None else None
    gateway = ApiGateway(
        ref=ref,
        class_name=spec.gateway_class_name,
        listeners=tuple(_listener(each, spec.tls, home) for each in spec.listeners),
        addresses=tuple((each.type, each.value) for each in spec.addresses),
        parameters=reference(parameters, home) if parameters is not None else None,
        client_certificate=secret(shown, home) if shown is not None else None,
        created=authored.created,
        misdirected=MISDIRECTED,
    )
    yield Row(Input(Table.API_GATEWAY, ref), gateway)
    selector = GatewaySelector(ref, authored.created, labels({GATEWAY_NAME: shortened(ref.name)}), home)
    yield Row(Input(Table.GATEWAY_SELECTOR, ""), selector)


def _listener(struct: structs.Listener, whole: structs.GatewayTLSConfig | None, home: str) -> Listener:
    allowed = struct.allowed_routes
    clients = _clients(struct, whole)
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
        clients=tuple(reference(each, home) for each in clients.ca_certificate_refs) if clients is not None else None,
        optional=clients is not None and clients.mode == "AllowInsecureFallback",
        option=struct.tls.options.get(TERMINATE_MODE, "") if struct.tls is not None else "",
    )


def _clients(struct: structs.Listener, whole: structs.GatewayTLSConfig | None) -> structs.FrontendValidation | None:
    if struct.protocol != "HTTPS" or whole is None or whole.frontend is None:
        return None
    chosen = next((each.tls for each in whole.frontend.per_port if each.port == struct.port), whole.frontend.default)
    return chosen.validation


def _requirements(selector: LabelSelector | None) -> tuple[Requirement, ...]:
    if selector is None:
        return ()
    exact = [Requirement(key, "In", (value,)) for key, value in sorted(selector.match_labels.items())]
    return (*exact, *(Requirement(each.key, each.operator, each.values) for each in selector.match_expressions))
