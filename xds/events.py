"""The closed list of log events, and how they are written: JSON lines for machines, coloured text for a terminal."""

from __future__ import annotations

import atexit
import logging
import sys
from enum import StrEnum
from typing import Any

import structlog

from xds.spool import Spool


class Event(StrEnum):
    """What can happen, in the past tense; all else about it is in the keys of the event."""

    # xds/server
    SERVER_STARTED = "server started"
    SERVER_STOPPED = "server stopped"
    STREAM_OPENED = "stream opened"
    STREAM_CLOSED = "stream closed"
    STREAM_REFUSED = "stream refused"
    STREAM_FAILED = "stream failed"
    ADDRESS_OPENED = "address opened"
    CREDENTIALS_EXPIRED = "credentials expired"
    RESOURCES_REJECTED = "resources rejected"
    RESOURCE_CONDEMNED = "resource condemned"

    # xds/app, xds/findings
    GENERATION_READY = "generation ready"
    TRANSLATION_FAILED = "translation failed"
    LISTENER_DRAINED = "listener drained"
    LISTENERS_DRAINED = "more listeners drained"
    PROBLEM_FOUND = "problem found"
    ACCESS_WIDENED = "containers were given the right to read all files"
    ANALYSIS_FAILED = "analysis failed"

    # xds/sources
    KEYS_FETCHED = "keys fetched"
    KEYS_NOT_FETCHED = "keys not fetched"
    SOURCE_SYNCED = "source synced"
    API_SERVER_LOST = "api server lost"
    API_SERVER_REACHED = "api server reached"
    KIND_SERVED = "kind found served"
    LIST_REFUSED = "list refused"
    REMOTE_CLUSTER_ADDED = "remote cluster added"
    REMOTE_CLUSTER_REMOVED = "remote cluster removed"
    REMOTE_CLUSTER_REFUSED = "remote cluster refused"
    REMOTE_CLUSTER_NOT_READ = "remote cluster not read"
    SOURCE_STOOD_IN = "kept objects stood in for their source"
    SOURCE_NOT_KEPT = "objects of a source not kept"
    SOURCE_NOT_READ_BACK = "kept objects not usable"
    WATCH_EXPIRED = "watch expired"
    WATCH_FAILED = "watch failed"
    REMOVALS_DOUBTED = "removals doubted"

    # xds/identities
    CERTIFICATE_ISSUED = "certificate issued"
    CERTIFICATE_REFUSED = "certificate refused"

    # xds/ports, xds/token_issuer
    TOKENS_NOT_REVIEWED = "tokens not reviewed"
    TOKENS_NOT_TAKEN = "tokens found to have no issuer"
    TOKEN_KEYS_TAKEN = "token keys taken"
    TOKEN_KEYS_NOT_READ = "token keys not read"
    AUTHORITIES_REFUSED = "certificates of authorities refused"

    # xds/mesh_ca
    CA_UNUSABLE = "certificate authority found unusable"
    CA_DOUBTED = "certificate authority found in need of attention"
    CA_PLUGGED_IN = "certificate authority plugged in"
    ROOT_ROTATION_HELD = "root rotation held up"
    ROOT_ROTATION_ADVANCED = "root rotation advanced"

    # xds/machines
    MACHINE_JOINED = "machine joined"
    MACHINE_LEFT = "machine left"
    MACHINE_CHECKED = "machine checked"
    MACHINE_ENTRY_NOT_WRITTEN = "machine's entry not written"

    # xds/audit
    REQUEST_REFUSED = "request refused"
    REQUEST_WOULD_BE_REFUSED = "request would have been refused"
    REQUEST_AUDITED = "request audited"
    HANDSHAKE_FAILED = "handshake failed"
    ACCESS_LOGS_DROPPED = "access logs dropped"

    # xds/companions
    COMPANION_FAILED = "companion failed"

    # xds/prover, xds/quarantine
    PROVER_STARTED = "prover started"
    PROVER_ENDED = "prover ended"
    PROVER_AWAY = "prover away"
    PROVER_FAILED = "prover failed"
    PROVER_OFF = "prover off"
    PROOFS_NOT_KEPT = "proofs not kept"
    LAST_GOOD_NOT_KEPT = "last good versions not kept"
    RESOURCE_QUARANTINED = "resource quarantined"
    RESOURCE_RELEASED = "resource released"

    # xds/rollout
    ROLLOUT_STARTED = "rollout started"
    ROLLOUT_ADVANCED = "rollout advanced"
    ROLLOUT_PROMOTED = "rollout promoted"
    ROLLOUT_ABORTED = "rollout aborted"
    ROLLOUT_FAILED = "rollout failed"
    ROLLOUT_DECIDED = "rollout decided from the dashboard"
    HELD_NOT_KEPT = "last good objects of rollouts not kept"
    ROLLOUTS_NOT_AGREED = "control planes could not agree on rollouts"

    # xds/webhooks
    WEBHOOK_CALL_REFUSED = "webhook call refused"
    WEBHOOK_FAILED = "webhook failed"
    WEBHOOK_CERTIFICATE_NOT_HAD = "webhook certificate not had"
    OBJECT_DENIED = "object denied"
    SIDECAR_INJECTED = "sidecar injected"
    SIDECAR_NOT_INJECTED = "sidecar not injected"

    # xds/controllers/webhook_bundle, root_certificates
    WEBHOOK_BUNDLE_PATCHED = "webhook bundle patched"
    WEBHOOK_BUNDLE_NOT_PATCHED = "webhook bundle not patched"
    ROOT_CERTIFICATES_WRITTEN = "root certificates written"
    ROOT_CERTIFICATES_NOT_WRITTEN = "root certificates not written"

    # xds/controllers/leader_election, reports, status, object_events
    LEADERSHIP_TAKEN = "leadership taken"
    LEADERSHIP_LOST = "leadership lost"
    LEADER_WORK_FAILED = "work of the leader failed"
    LEASE_NOT_HELD = "lease not held"
    REPORT_NOT_WRITTEN = "report not written"
    REPORT_SHORTENED = "report shortened"
    REPORTS_NOT_READ = "reports not read"
    STATUS_NOT_WRITTEN = "status not written"
    STATUS_NOT_SUPPORTED = "status found not supported"
    OBJECT_EVENT_NOT_WRITTEN = "object event not written"

    # xds/controllers/gateway_api
    GATEWAY_CLASS_MADE = "gateway class made"
    GATEWAY_CLASS_NOT_MADE = "gateway class not made"
    GATEWAY_DEPLOYED = "gateway deployed"
    GATEWAY_NOT_DEPLOYED = "gateway not deployed"
    GATEWAY_STATUS_NOT_WRITTEN = "status of the Gateway API not written"

    # xds/cni
    INTERCEPTION_SET = "interception set"
    INTERCEPTION_NOT_SET = "interception not set"
    INTERCEPTION_NOT_UNDERSTOOD = "interception not understood"
    NODE_AGENT_STARTED = "node agent started"
    PODS_NOT_READ = "pods not read"

    # xds/tracing
    TRACES_NOT_TAKEN = "traces not taken"

    # xds/spool
    LOG_DROPPED = "lines of the log dropped"


def set_up(level: str = "info") -> Spool:
    """Write events of ``level`` and above to standard error: JSON, one a line, or text when it is a terminal.

    Nothing waits for who reads them. Comes back: where they are written, for what else is to be said there.
    """
    to_terminal = sys.stderr.isatty()
    renderer: Any = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if to_terminal
        else structlog.processors.JSONRenderer()
    )
    shape: list[Any] = [] if to_terminal else [structlog.processors.format_exc_info]
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)

    def dropped(count: int) -> str:
        told = {"lines": count, "event": str(Event.LOG_DROPPED), "level": "warning"}
        return f"{renderer(None, 'warning', stamp(None, 'warning', told))}\n"

    spool = Spool(sys.stderr.fileno(), dropped)
    atexit.register(spool.close)
    # What libraries say without having been asked: asyncio, of a task that has failed.
    logging.lastResort = logging.StreamHandler(spool)
    logging.lastResort.setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            stamp,
            *shape,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(spool),  # type: ignore[arg-type]
        cache_logger_on_first_use=True,
    )
    return spool
