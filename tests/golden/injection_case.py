"""The driver of the goldens about injection: a pod in; what it was given out, without what every pod is given."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import yaml

from tests.envoy.injected_pod import expanded
from xds.kinds.proxy_config import ProxyConfig
from xds.kinds.quantities import decode_hook
from xds.webhooks.inject import Injected, InjectionSettings, inject

Plain = dict[str, Any]
LONG: Final = 10
OURS: Final = frozenset({"istio-proxy", "istio-init", "istio-validation"})
PLAIN: Final = {
    "metadata": {"generateName": "web-", "labels": {"app": "web"}},
    "spec": {"containers": [{"name": "web", "image": "web"}]},
}


class Case:
    """A golden case, read, and its outcome.

    ``whole`` in it asks for all that the pod was given, ``listeners: names`` for no more of the bootstrap than those.
    """

    def __init__(self, text: str) -> None:
        given = yaml.safe_load(text)["given"]
        settings = dict(given.get("settings", {}))
        config = msgspec.convert(settings.pop("proxy_config", {}), ProxyConfig, dec_hook=decode_hook)
        self.whole = bool(given.get("whole"))
        self.brief = self.whole or given.get("listeners") == "names"
        self.pod: Plain = given["pod"]
        self.settings = InjectionSettings(proxy_config=config, **settings)
        self.injected = inject(self.pod, given.get("namespace", "shop"), self.settings)

    def outcome(self) -> Plain:
        """What ``then`` should hold."""
        got = self.injected
        problems = {"problems": [f"{each.severity.value}: {each}" for each in got.problems]}
        if got.pod is None:
            return {"left_alone": {"because": got.reason}, **problems}
        shown, usual = _shown(got.pod), _shown(_usual().pod or {})
        if self.brief:
            shown, usual = _named(shown), _named(usual)
        return (shown if self.whole else _without(shown, usual)) | problems


def bootstrap(pod: Mapping[str, Any]) -> Plain | None:
    """The bootstrap of a pod's proxy, its variables as on a node; None where the user's container has its own."""
    every = [*pod["spec"]["containers"], *pod["spec"].get("initContainers", ())]
    args = next(each for each in every if each["name"] == "istio-proxy")["args"]
    return json.loads(expanded(args[1])) if args[0] == "--config-yaml" else None


def _usual() -> Injected:
    return inject(PLAIN, "shop", InjectionSettings())


def _shown(pod: Plain) -> Plain:
    """A pod as cases show it: containers by name in their order, texts within texts as what they say."""
    metadata, spec = pod["metadata"], pod["spec"]
    shown: Plain = {"labels": metadata["labels"], "annotations": {}}
    for key, value in metadata["annotations"].items():
        shown["annotations"][key] = json.loads(value) if value.startswith("{") else value
    kinds = {kind: spec.get(kind, []) for kind in ("initContainers", "containers")}
    shown["order"] = {kind: [each["name"] for each in found] for kind, found in kinds.items()}
    shown["containers"] = {each["name"]: _container(each) for found in kinds.values() for each in found}
    shown["securityContext"] = spec.get("securityContext", {})
    shown["volumes"] = {each["name"]: each for each in spec["volumes"]}
    return shown


def _container(plain: Plain) -> Plain:
    if plain["name"] not in OURS:
        return {key: value for key, value in plain.items() if key not in ("name", "image")}
    shown = {key: value for key, value in plain.items() if key != "name"}
    if plain["name"] == "istio-proxy" and plain["args"][0] == "--config-yaml":
        bootstrap = json.loads(plain["args"][1])
        found = bootstrap["static_resources"]
        shown["args"] = plain["args"][2:]
        shown["node"] = bootstrap["node"]
        shown["listeners"] = {each["name"]: each for each in found["listeners"]}
        shown["clusters"] = {each["name"]: each for each in found["clusters"]}
        shown["statistics"] = bootstrap["stats_config"]["stats_matcher"]["inclusion_list"]["patterns"]
    if plain["name"] == "istio-init":
        shown["args"] = dict(zip(("iptables", "ip6tables"), (text.split("\n") for text in plain["args"]), strict=True))
        shown["command"] = [*plain["command"][:2], plain["command"][2].splitlines(), *plain["command"][3:]]
    return shown


def _named(shown: Plain) -> Plain:
    """With the names only of what others have tests for: listeners, clusters and rules."""
    containers = shown["containers"]
    containers["istio-proxy"] |= {kind: list(containers["istio-proxy"][kind]) for kind in ("listeners", "clusters")}
    if "istio-init" in containers:
        containers["istio-init"]["args"] = list(containers["istio-init"]["args"])
    return shown


def _without(shown: Any, usual: Any) -> Any:
    """What is not as usual, in mappings at any depth; of a long list, those that are more."""
    if isinstance(shown, dict) and isinstance(usual, dict):
        kept = {key: _without(value, usual[key]) if key in usual else value for key, value in shown.items()}
        return {key: value for key, value in kept.items() if value not in ({}, []) or key not in usual}
    if isinstance(shown, list) and isinstance(usual, list):
        if shown == usual:
            return []
        return shown if len(shown) < LONG else [each for each in shown if each not in usual]
    return {} if shown == usual else shown
