"""Values as files and flags say them."""

from __future__ import annotations

import json

import jsonschema
import pytest

from xds.install.values import Values, ValuesError, merge, of_assignments, read, schema, to_plain


def test_what_is_not_said_is_the_default() -> None:
    assert read({}) == Values()


def test_mappings_are_merged_as_helm_does_it() -> None:
    found = read({"resources": {"limits": {"memory": "1Gi"}}, "meshConfig": {"enableTracing": False}})
    assert found.resources == {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}}
    assert found.mesh_config == {"trustDomain": "cluster.local", "enableTracing": False}


def test_flags_say_parts_of_values() -> None:
    said = of_assignments(["replicas=3", "resources.requests.cpu=1", "meshConfig.trustDomain=a.b", "initImage="])
    assert said == {
        "replicas": 3,
        "resources": {"requests": {"cpu": 1}},
        "meshConfig": {"trustDomain": "a.b"},
        "initImage": "",
    }
    assert merge({"replicas": 1, "tolerations": [1]}, {"tolerations": []}) == {"replicas": 1, "tolerations": []}


def test_variables_are_words_whatever_they_look_like() -> None:
    found = read(of_assignments(["extraEnv.A=25", "extraEnv.B='25'", "extraEnv.C=true", "nodeSelector.spot=yes"]))
    assert found.extra_env == {"A": "25", "B": "25", "C": "true"}
    assert found.node_selector == {"spot": "yes"}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("replicas=many", "`replicas`"),
        ("replicas=-1", "`replicas`"),
        ("revision=Canary_1", "`revision`"),
        ("spread=Anywhere", "`spread`"),
        ("replica=3", "unknown field `replica`"),
        ("tolerations=[x", "no YAML"),
        ("replicas", "name=value"),
        ("tag=1.20", "`tag`"),
    ],
)
def test_what_cannot_be_is_named(said: str, told: str) -> None:
    with pytest.raises(ValuesError, match=told):
        read(of_assignments([said]))


def test_the_schema_takes_the_defaults_and_refuses_what_the_values_refuse() -> None:
    plain = json.loads(json.dumps(to_plain(Values())))
    jsonschema.validate(plain, schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**plain, "replicas": "3"}, schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**plain, "replica": 3}, schema())


def test_every_value_is_described() -> None:
    assert [name for name, field in schema()["properties"].items() if not field.get("description")] == []


def test_names_of_revisions() -> None:
    assert (Values().name, Values().service, Values().lease) == ("plait", "istiod", "plait-leader")
    canary = Values(revision="canary", namespace="mesh")
    assert (canary.name, canary.service, canary.lease) == ("plait-canary", "istiod-canary", "plait-leader-canary")
    assert (canary.cluster_name, canary.mesh_config_map) == ("plait-canary-mesh", "istio-canary")


def test_images() -> None:
    values = Values(registry="registry.example/mesh", tag="1")
    assert (values.image, values.injected_init_image) == (
        "registry.example/mesh/plait:1",
        "registry.example/mesh/init:1",
    )
    assert Values(init_image="own/init:2").injected_init_image == "own/init:2"
