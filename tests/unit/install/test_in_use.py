"""Which namespaces a revision serves."""

from __future__ import annotations

from typing import Any

from xds.install.in_use import moved_away, tags, users, words_of
from xds.install.injector import injector
from xds.install.tags import tag_objects, tag_webhook
from xds.install.validator import validator
from xds.install.values import Values

DEFAULT, CANARY = Values(), Values(revision="canary")


def namespace(name: str, **labels: str) -> dict[str, Any]:
    named = {key.replace("_", "-").replace("rev", "istio.io/rev"): value for key, value in labels.items()}
    return {"metadata": {"name": name, "labels": named}}


NAMESPACES = (
    {"metadata": {"name": "plain"}},
    namespace("enabled", istio_injection="enabled"),
    namespace("disabled", istio_injection="disabled", rev="canary"),
    namespace("both", istio_injection="enabled", rev="canary"),
    namespace("canary", rev="canary"),
    namespace("prod", rev="prod"),
)


def test_the_default_tag_has_objects_validated_there_too() -> None:
    _, _, _, moved = tag_objects("default", "canary", DEFAULT)
    assert moved["metadata"]["name"] == validator(DEFAULT)["metadata"]["name"]
    assert moved_away(moved, "default")
    assert {hook["clientConfig"]["service"]["name"] for hook in moved["webhooks"]} == {"istiod-canary"}


def test_a_revision_serves_who_names_it() -> None:
    injectors = [injector(DEFAULT), injector(CANARY)]
    assert users(words_of("default", injectors), NAMESPACES) == ("both", "enabled")
    assert users(words_of("canary", injectors), NAMESPACES) == ("canary",)


def test_a_tag_adds_its_users() -> None:
    injectors = [injector(DEFAULT), injector(CANARY), tag_webhook("prod", "canary", DEFAULT)]
    assert tags(injectors) == {"prod": "canary"}
    assert users(words_of("canary", injectors), NAMESPACES) == ("canary", "prod")


def test_the_default_tag_takes_over_the_webhook_of_the_default_revision() -> None:
    moved = tag_webhook("default", "canary", DEFAULT)
    assert moved["metadata"]["name"] == injector(DEFAULT)["metadata"]["name"]
    assert {hook["clientConfig"]["service"]["name"] for hook in moved["webhooks"]} == {"istiod-canary"}
    assert moved_away(moved, "default")
    assert not moved_away(moved, "canary")
    assert not moved_away(injector(DEFAULT), "default")
    assert users(words_of("default", [moved, injector(CANARY)]), NAMESPACES) == ()
    assert users(words_of("canary", [moved, injector(CANARY)]), NAMESPACES) == ("both", "canary", "enabled")
