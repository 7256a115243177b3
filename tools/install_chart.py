"""The Helm chart, from the same manifests: each value is replaced by a mark, and each mark by Helm's words for it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
import yaml

from xds import __version__
from xds.install import access, availability, control_plane, injector, network_policies, node_agent, validator
from xds.install.objects import Json
from xds.install.text import yaml_text
from xds.install.values import Values, schema, to_plain

_HEAD: Final = "Made by tools/install_files.py from xds/install; do not edit."
_NOT_IN_CHART: Final = frozenset({"namespace"})  # it is the release's
_NUMBERS: Final = frozenset({"replicas", "autoscaleMin", "autoscaleMax"})
_SAID_OTHERWISE: Final = {
    "gatewaydeployments": ".Values.gatewayDeployments",  # variables say truth values in lower case
    "namespace": ".Release.Namespace",
    "proverImage": "(.Values.proverImage | default .Values.proxyImage)",
    "initImage": '(.Values.initImage | default (printf "%s/init:%s" .Values.registry .Values.tag))',
    "mesh": '(mergeOverwrite (dict) .Values.meshConfig (dict "rootNamespace" .Release.Namespace) | toYaml)',
}
_SUFFIX: Final = '{{ include "plait.suffix" . }}'
_HELPERS: Final = """\
{{- define "plait.suffix" -}}
{{- if ne .Values.revision "default" }}-{{ .Values.revision }}{{ end }}
{{- end }}
{{- define "plait.elsewhere" -}}
{{- if ne .Release.Namespace "istio-system" }}-{{ .Release.Namespace }}{{ end }}
{{- end }}
"""
_NOTES: Final = """\
Revision {{ .Values.revision }} of Plait is in namespace {{ .Release.Namespace }}.
{{- if eq .Values.revision "default" }}
  kubectl label namespace NAME istio-injection=enabled
{{- else }}
  kubectl label namespace NAME istio-injection- istio.io/rev={{ .Values.revision }}
{{- end }}
gives the pods that are made in it from then on a sidecar. The control plane needs no privileges:
  kubectl label namespace {{ .Release.Namespace }} pod-security.kubernetes.io/enforce=restricted
"""
_CHART: Final = {
    "apiVersion": "v2",
    "name": "plait",
    "description": "A control plane that turns Kubernetes Services and mesh policy into Envoy resources",
    "type": "application",
    "version": __version__,
    "appVersion": __version__,
    "kubeVersion": ">=1.30.0-0",
}


def chart(definitions: str) -> dict[str, str]:
    """The text of each file of the chart by its path in it. Helm never replaces definitions that are there."""
    marked = marks()
    account = [access.service_account, access.cluster_role, access.cluster_role_binding, access.role]
    templates = {
        "_names.tpl": _HELPERS,
        "NOTES.txt": _NOTES,
        "access.yaml": _template(make(marked) for make in (*account, access.role_binding)),
        "mesh-config.yaml": _template([{**control_plane.mesh_config(marked), "data": {"mesh": "«mesh»"}}]),
        "service.yaml": _template([control_plane.service(marked)]),
        "deployment.yaml": _either(".Values.prover", *(_deployment(marked, prover=there) for there in (True, False))),
        "disruption-budget.yaml": _where(".Values.disruptionBudget", [availability.disruption_budget(marked)]),
        "autoscaler.yaml": _where("gt (int .Values.autoscaleMax) 0", [availability.autoscaler(_scaling(marked))]),
        "network-policy.yaml": _where(".Values.networkPolicies", [network_policies.network_policy(marked)]),
        "node-agent.yaml": _where(".Values.cni", node_agent.objects(marked)),
        "injector.yaml": _with_default([injector.injector(marked)], injector.by_injection_label(marked)),
        "validator.yaml": _with_default([validator.validator(marked)], [validator.unlabelled(marked)]),
    }
    return {
        "Chart.yaml": f"# {_HEAD}\n{yaml.safe_dump(_CHART, sort_keys=False)}",
        "values.yaml": values_text(),
        "values.schema.json": json.dumps(_schema(), indent=2, ensure_ascii=False) + "\n",
        "crds/crds.yaml": definitions,
        **{f"templates/{name}": text for name, text in templates.items()},
    }


def values_text() -> str:
    """Every value with its meaning and default, but the namespace."""
    properties = schema()["properties"]
    parts = [f"# The values of the chart, and of `plait install --values`. {_HEAD}\n"]
    for name, value in to_plain(Values()).items():
        if name not in _NOT_IN_CHART:
            plain = yaml.safe_dump({name: _listed(value)}, sort_keys=False, width=1000)
            parts.append(f"# {properties[name]['description']}\n{plain}")
    return "\n".join(parts)


def marks() -> Values:
    """Values that are marks: ``«name»`` for a text or a number, a mark inside for what has parts (``«...name»``)."""
    plain = to_plain(Values())
    marked: dict[str, Any] = {}
    for field in msgspec.structs.fields(Values):
        value, mark, inside = plain[field.encode_name], f"«{field.encode_name}»", f"«...{field.encode_name}»"
        whole = (inside,) if isinstance(value, tuple) else mark
        marked[field.name] = {inside: ""} if isinstance(value, Mapping) else whole
    return Values(**{**marked, "autoscale_max": 0})


def _scaling(marked: Values) -> Values:
    number: Any = "«autoscaleMax»"
    return msgspec.structs.replace(marked, autoscale_max=number)


def _schema() -> Json:
    found = schema()
    properties = {name: each for name, each in found["properties"].items() if name not in _NOT_IN_CHART}
    return {**found, "properties": properties}


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _template(objects: Iterable[Json]) -> str:
    return _in_helms_words(yaml_text(objects))


def _where(condition: str, objects: Iterable[Json]) -> str:
    return f"{{{{- if {condition} }}}}\n{_template(objects)}{{{{- end }}}}\n"


def _with_default(objects: Iterable[Json], more: list[Json]) -> str:
    """A configuration that ends in webhooks, with those that only the default revision has."""
    text = _in_helms_words(yaml_text([{"more": more}]).removeprefix("---\nmore:\n"))
    return f'{_template(objects)}{{{{- if eq .Values.revision "default" }}}}\n{text}{{{{- end }}}}\n'


def _deployment(marked: Values, *, prover: bool) -> str:
    return _scaled(_template([control_plane.deployment(msgspec.structs.replace(marked, prover=prover))]))


def _either(condition: str, text: str, otherwise: str) -> str:
    return f"{{{{- if {condition} }}}}\n{text}{{{{- else }}}}\n{otherwise}{{{{- end }}}}\n"


def _scaled(text: str) -> str:
    """The Deployment, which does not say how many pods there are where an autoscaler does."""
    line = "  replicas: {{ .Values.replicas }}\n"
    return text.replace(line, f"{{{{- if not (gt (int .Values.autoscaleMax) 0) }}}}\n{line}{{{{- end }}}}\n")


def _in_helms_words(text: str) -> str:
    text = re.sub(r"( *)- name: «...(extraEnv)»\n *value: ''\n", _each_variable, text)
    text = re.sub(r":\n *«\.\.\.(\w+)»: ''$", r": {{ toJson .Values.\1 }}", text, flags=re.MULTILINE)
    text = re.sub(r":\n *- «\.\.\.(\w+)»$", r": {{ toJson .Values.\1 }}", text, flags=re.MULTILINE)
    text = re.sub(r": '?«\.\.\.(\w+)»'?$", r': {{ join ":" .Values.\1 | quote }}', text, flags=re.MULTILINE)
    text = text.replace("injector-«revision»-«namespace»", f'injector{_SUFFIX}{{{{ include "plait.elsewhere" . }}}}')
    text = text.replace("-«revision»", _SUFFIX)
    text = re.sub(r"(: |- )'?«(\w+)»'?$", _whole, text, flags=re.MULTILINE)
    return re.sub(r"«(\w+)»", lambda found: f"{{{{ {_said(found[1])} }}}}", text)


def _each_variable(found: re.Match[str]) -> str:
    indent = found[1]
    return (
        f"{{{{- range $name, $value := .Values.{found[2]} }}}}\n{indent}- name: {{{{ $name }}}}\n"
        f"{indent}  value: {{{{ $value | quote }}}}\n{{{{- end }}}}\n"
    )


def _whole(found: re.Match[str]) -> str:
    quoted = "" if found[2] in _NUMBERS else " | quote"
    return f"{found[1]}{{{{ {_said(found[2])}{quoted} }}}}"


def _said(name: str) -> str:
    return _SAID_OTHERWISE.get(name, f".Values.{name}")
