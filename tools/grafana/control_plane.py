"""The control plane: who is connected, what is sent and refused, how long that takes."""

from __future__ import annotations

from typing import Final

from tools.grafana.board import Board, Panel, Query, one, quantiles

_CONVERGED: Final = "rate(pilot_proxy_convergence_time_bucket[$__rate_interval])"
_PUSHED: Final = "rate(pilot_xds_push_time_bucket[$__rate_interval])"
_LAG: Final = "rate(plait_event_loop_lag_seconds_bucket[$__rate_interval])"

CONTROL_PLANE: Final = Board(
    "control-plane",
    "control plane",
    (
        one("Proxies connected", "Over xDS, by Envoy's version.", "sum by (version) (pilot_xds)", "{{version}}"),
        one("Control planes", "Pods that Prometheus reaches.", 'sum(up{pod=~"plait-.*"})', "pods"),
        one(
            "Types in sync",
            "Resource types of connected proxies, by how far the proxy is with them. Only SYNCED should last.",
            "sum by (state) (plait_proxy_types)",
            "{{state}}",
        ),
        one(
            "Refused by Envoy or behind",
            "Types that are not in sync, by type.",
            'sum by (type, state) (plait_proxy_types{state!="SYNCED"})',
            "{{type}} {{state}}",
        ),
        quantiles(
            "From a change to the last ACK",
            "What a proxy waits from a change's being told until it has acknowledged all that it makes.",
            _CONVERGED,
        ),
        one(
            "Responses refused",
            "By proxies (NACK), by type. The prover should have seen it before.",
            "sum by (type) (increase(pilot_total_xds_rejects[5m]))",
            "{{type}}",
        ),
        one(
            "Responses sent",
            "To all proxies, by type.",
            "sum by (type) (rate(pilot_xds_pushes[$__rate_interval]))",
            "{{type}}",
            "reqps",
        ),
        one(
            "Bytes sent",
            "To all proxies, by type.",
            "sum by (type) (rate(pilot_xds_config_size_bytes_sum[$__rate_interval]))",
            "{{type}}",
            "Bps",
        ),
        quantiles("Making and sending a response", "By type.", _PUSHED, by="type"),
        one(
            "Changes worked in",
            "Of configuration, services and endpoints.",
            "sum by (type) (rate(pilot_push_triggers[$__rate_interval]))",
            "{{type}}",
            "cps",
        ),
        one(
            "Findings",
            "What plait analyze says of the configuration, by how bad it is.",
            "sum by (severity) (plait_problems)",
            "{{severity}}",
        ),
        Panel(
            "Refused before it was sent",
            "Resources that are sent to nobody, and resources that are served without proof.",
            (
                Query("sum(plait_resources_quarantined)", "refused"),
                Query("sum(plait_resources_unproven)", "not proven"),
            ),
        ),
        one(
            "Refused requests",
            "Requests and connections that a policy refused, would have refused (dry run), or audited.",
            "sum by (kind) (rate(plait_refusals_total[5m]))",
            "{{kind}}",
            "reqps",
        ),
        one(
            "Who is refused, by which policy",
            "The ten busiest.",
            "topk(10, sum by (source, destination, policy) (rate(plait_refusals_total[5m])))",
            "{{source}} -> {{destination}}: {{policy}}",
            "reqps",
        ),
        one(
            "Access-log entries dropped",
            "Beyond the limit of their stream: the refusals above are fewer than there were.",
            "sum(rate(plait_audit_entries_dropped_total[5m]))",
            "entries",
            "cps",
        ),
        Panel(
            "Injection webhook",
            "Pods that the API server asked about, and what became of them.",
            (
                Query("sum(rate(sidecar_injection_success_total[5m]))", "injected"),
                Query("sum(rate(sidecar_injection_skip_total[5m]))", "left as they are"),
                Query("sum(rate(sidecar_injection_failure_total[5m]))", "refused"),
            ),
            "cps",
        ),
        one(
            "Validation webhook",
            "Objects that were refused, by kind.",
            "sum by (resource) (increase(galley_validation_failed[5m]))",
            "{{resource}}",
        ),
        Panel(
            "Certificates asked for by CSR",
            "Proxies have theirs by SDS, without asking.",
            (
                Query("sum(rate(citadel_server_csr_count[5m]))", "asked"),
                Query("sum(rate(citadel_server_success_cert_issuance_count[5m]))", "issued"),
                Query("sum(rate(citadel_server_authentication_failure_count[5m]))", "not proven"),
            ),
            "cps",
        ),
        one(
            "The CA's certificate ends in",
            "Of each control plane; it is replaced in time.",
            "min(citadel_server_root_cert_expiry_timestamp) - time()",
            "signer",
            "s",
        ),
        quantiles("Event loop", "How much later than asked for it comes to what is due.", _LAG),
        one("Memory", "Of the largest process.", "max(process_resident_memory_bytes)", "resident", "bytes"),
        one("CPU", "Cores.", "sum(rate(process_cpu_seconds_total[$__rate_interval]))", "cores"),
    ),
)
