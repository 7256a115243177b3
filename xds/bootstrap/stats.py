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
from xds.model.told_metrics import PREFIX, Told
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
_SINK: Final = "envoy.extensions.stat_sinks.open_telemetry.v3.SinkConfig"
_PREFIXES: Final = ("istio_", PREFIX, f"{SEEN_PLAINTEXT}.", f"{SEEN_PROVEN}.")
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
    Metric.REQUEST_DURATION.value: _DURATIONS,
    Metric.REQUEST_SIZE.value: _SIZES,
    Metric.RESPONSE_SIZE.value: _SIZES,
    Told.DURATION.value: _DURATIONS,
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


def stats(also: StatsInclusion, reporting: Mapping[str, str]) -> Json:
    """The parts of a bootstrap about statistics: what is kept, as what, and what of it the control plane is sent.

    ``reporting`` says to it who sends that.
    """
    return {
        "stats_config": {
            "stats_tags": _stats_tags(),
            "stats_matcher": {"inclusion_list": {"patterns": list(_patterns(also))}},
            "histogram_bucket_settings": [
                {"match": {"prefix": name}, "buckets": list(buckets)} for name, buckets in _BUCKETS.items()
            ],
        },
        # What nobody counts yet takes no memory: a cluster's statistics come with its first request.
        "deferred_stat_options": {"enable_deferred_creation_stats": True},
        "stats_sinks": [_to_control_plane(reporting)],
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


def _to_control_plane(reporting: Mapping[str, str]) -> Json:
    """The control plane as a receiver of metrics: what was added since the last time to those that are for it."""
    detector = "envoy.extensions.tracers.opentelemetry.resource_detectors.v3.StaticConfigResourceDetectorConfig"
    told = _named({"prefix": PREFIX})  # no gauge: those are sent whether they change or not, and who is idle is silent
    drop = {"action": {"name": "drop", "typed_config": {"@type": f"{_TYPE}{_SINK}.DropAction"}}}
    config = {
        "@type": _TYPE + _SINK,
        "grpc_service": {"envoy_grpc": {"cluster_name": CONTROL_PLANE}},
        "resource_detectors": [
            {
                "name": "envoy.tracers.opentelemetry.resource_detectors.static_config",
                "typed_config": {"@type": _TYPE + detector, "attributes": dict(reporting)},
            }
        ],
        "report_counters_as_deltas": True,
        "report_histograms_as_deltas": True,
        "custom_metric_conversions": {
            "matcher_list": {"matchers": [{"predicate": {"not_matcher": told}, "on_match": drop}]}
        },
    }
    return {"name": "envoy.stat_sinks.open_telemetry", "typed_config": config}


def _named(name: Json) -> Json:
    """True of statistics of that name."""
    kind = _TYPE + "envoy.extensions.matching.common_inputs.stats.v3.StatFullNameMatchInput"
    of = {"name": "stat_full_name_match_input", "typed_config": {"@type": kind}}
    return {"single_predicate": {"input": of, "value_match": name}}
