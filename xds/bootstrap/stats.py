"""What of its statistics an Envoy keeps, shows and sends: few that do not grow with the mesh, unless a pod wants more.

Envoy has some hundred statistics for each cluster and listener. Those that are not included are never made: neither
Prometheus nor the control plane sees them, and they cost no memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from xds.bootstrap.credentials import Json
from xds.model.seen import SEEN_PLAINTEXT, SEEN_PROVEN
from xds.model.standard_metrics import Metric
from xds.translators.regex import refusal
from xds.view.names import CONTROL_PLANE

PREFIXES: Final = "sidecar.istio.io/statsInclusionPrefixes"
SUFFIXES: Final = "sidecar.istio.io/statsInclusionSuffixes"
REGEXPS: Final = "sidecar.istio.io/statsInclusionRegexps"
STATS_INCLUSION: Final = frozenset({PREFIXES, SUFFIXES, REGEXPS})
"""The annotations of pods that have more statistics kept."""

FLUSH_S: Final = 10
_EVICTION_S: Final = 1800  # a multiple of FLUSH_S, as Envoy wants it
_TYPE: Final = "type.googleapis.com/"
_PREFIXES: Final = ("istio_", f"{SEEN_PLAINTEXT}.", f"{SEEN_PROVEN}.")
_EXACT: Final = (
    # Why the control plane is not reached.
    *(f"cluster.{CONTROL_PLANE}.{word}" for word in ("ssl.fail_verify_error", "ssl.fail_verify_san")),
    f"cluster.{CONTROL_PLANE}.upstream_cx_connect_fail",
    "control_plane.connected_state",
    "server.concurrency",
    "server.days_until_first_cert_expiring",
    "server.live",
    "server.memory_allocated",
    "server.memory_heap_size",
    "server.state",
    "server.total_connections",
    "server.uptime",
)
# Open connections by listener: `plait diff` tells how many a change will drain. Not those by worker.
_OPEN: Final = r"listener\.[^w]+_[0-9]+\.downstream_cx_active"
# What becomes of configuration, without histograms and what each worker counts.
_CONFIGURATION: Final = (
    r"(cluster|listener)_manager\.((active|warming)_clusters|total_[a-z_]+"
    r"|(cluster|listener)_(added|modified|in_place_updated|removed)|[cl]ds\.update_(failure|rejected|success))"
)
# Not only for people: Envoy's health_check filter reads these to answer for an application that has a TCP probe.
_PROBED: Final = r"cluster\.app-health\|tcp\|.+\.membership_(degraded|healthy|total)"
_REGEXPS: Final = (_CONFIGURATION, _OPEN, _PROBED)
# The `le` of Istio's dashboards, without those that only hours would need. Milliseconds, then bytes.
_DURATIONS: Final = (1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000)
_SIZES: Final = (64, 512, 4096, 32768, 262144, 2097152)
_BUCKETS: Final = {
    Metric.REQUEST_DURATION: _DURATIONS,
    Metric.REQUEST_SIZE: _SIZES,
    Metric.RESPONSE_SIZE: _SIZES,
}


@dataclass(frozen=True, slots=True)
class StatsInclusion:
    """What is included beside our own: names that begin or end like that, or match an RE2 expression as a whole."""

    prefixes: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    regexps: tuple[str, ...] = ()

    def and_also(self, other: StatsInclusion) -> StatsInclusion:
        """What either includes."""
        return StatsInclusion(
            (*self.prefixes, *other.prefixes), (*self.suffixes, *other.suffixes), (*self.regexps, *other.regexps)
        )

    def refused(self) -> dict[str, str]:
        """Why the expressions that Envoy would not start with are wrong, by expression."""
        return {regexp: why for regexp in self.regexps if (why := refusal(regexp))}

    def without_refused(self) -> StatsInclusion:
        """The same but for the expressions that Envoy would not start with."""
        refused = self.refused()
        good = tuple(each for each in self.regexps if each not in refused)
        return StatsInclusion(tuple(filter(None, self.prefixes)), tuple(filter(None, self.suffixes)), good)


NOTHING_MORE: Final = StatsInclusion()


def stated(annotations: Mapping[str, str]) -> StatsInclusion:
    """What a pod's annotations include: words with commas between."""

    def words(key: str) -> tuple[str, ...]:
        return tuple(word.strip() for word in annotations.get(key, "").split(",") if word.strip())

    return StatsInclusion(words(PREFIXES), words(SUFFIXES), words(REGEXPS))


def stats(also: StatsInclusion) -> Json:
    """The parts of a bootstrap about statistics: what is kept, as what, and that the control plane is sent it."""
    return {
        "stats_config": {
            "stats_tags": _stats_tags(),
            "stats_matcher": {"inclusion_list": {"patterns": list(_patterns(also))}},
            "histogram_bucket_settings": [
                {"match": {"prefix": metric.value}, "buckets": list(buckets)} for metric, buckets in _BUCKETS.items()
            ],
        },
        "stats_sinks": [_metrics_service()],
        "stats_flush_interval": f"{FLUSH_S}s",
        "stats_eviction_interval": f"{_EVICTION_S}s",
    }


def _patterns(also: StatsInclusion) -> Iterable[Json]:
    yield from ({"prefix": prefix} for prefix in dict.fromkeys((*_PREFIXES, *also.prefixes)))
    yield from ({"exact": name} for name in _EXACT)
    yield from ({"suffix": suffix} for suffix in dict.fromkeys(also.suffixes))
    yield from ({"safe_regex": {"regex": regexp}} for regexp in dict.fromkeys((*_REGEXPS, *also.regexps)))


def _stats_tags() -> list[Json]:
    """Tags on top of Envoy's own: whole cluster names, which have dots and end in ``;`` (their ``alt_stat_name``)."""
    return [{"tag_name": "cluster_name", "regex": r"^cluster\.(([^;]+);\.)"}]


def _metrics_service() -> Json:
    """The control plane as a receiver of metrics. Counters as what was added since the last time."""
    config = {
        "@type": _TYPE + "envoy.config.metrics.v3.MetricsServiceConfig",
        "transport_api_version": "V3",
        "grpc_service": {"envoy_grpc": {"cluster_name": CONTROL_PLANE}},
        "report_counters_as_deltas": True,
        "emit_tags_as_labels": True,
        "histogram_emit_mode": "HISTOGRAM",
    }
    return {"name": "envoy.stat_sinks.metrics_service", "typed_config": config}
