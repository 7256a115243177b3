"""A generation as a tree of spans."""

from __future__ import annotations

from typing import Any

from xds.history.generation import Answered, Changed, Generation, Stage
from xds.model.refs import ObjectRef
from xds.tracing.span import Span, trace

ROUTE = ObjectRef("networking.istio.io", "VirtualService", "shop", "web")
NACK = {"proxy": "p-1", "type": "rds", "resource": "80", "reason": "no good", "at": ""}


def generation(**fields: Any) -> Generation:
    """One that was told of at 10, worked on from 11 to 14, and answered by two proxies until 16."""
    made = Generation(number=7, told=10.0, published=14.0, settled=16.0, proxies=2, responses=3, sent_bytes=4812)
    made.objects[ROUTE] = Changed(ROUTE, "changed", None, 2)
    made.resources["rds"] = 1
    # The proof of a proxy that came before is none of this.
    for stage in (Stage("proof", 3.0, 4.0), Stage("build", 11.0, 11.5), Stage("publish", 13.0, 14.0)):
        made.stages.append(stage)
    made.first = Answered("p-0#aa", 15.0)
    made.latest.extend([made.first, Answered("p-1#bb", 16.0)])
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def named(span: Span) -> dict[str, tuple[float, float]]:
    return {each.name: (each.began, each.ended) for each in span.below}


def test_a_change_from_what_was_told_to_the_last_answer() -> None:
    root = trace(generation())
    assert (root.name, root.began, root.ended, root.error) == ("change", 10.0, 16.0, "")
    assert named(root) == {"wait": (10.0, 11.0), "build": (11.0, 11.5), "publish": (13.0, 14.0), "push": (14.0, 16.0)}
    assert root.attributes == {
        "plait.generation": 7,
        "plait.objects": ["changed VirtualService shop/web"],
        "plait.objects.count": 1,
        "plait.quiet": False,
        "plait.refused": 0,
        "plait.resources.rds": 1,
        "plait.proxies": 2,
        "plait.proxies.waiting": 0,
        "plait.nacks": 0,
        "plait.responses": 3,
        "plait.bytes": 4812,
    }
    push = root.below[-1]
    assert [(each.name, each.at, each.attributes["proxy"]) for each in push.happened] == [
        ("ack", 15.0, "p-0"),
        ("last ack", 16.0, "p-1"),
    ]


def test_what_a_source_reads_is_before_what_it_tells() -> None:
    read = generation()
    read.was_read(9.5, 9.9)
    read.was_read(9.2, 9.8)
    root = trace(read)
    assert (root.began, named(root)["read"], root.below[0].name) == (9.2, (9.2, 9.9), "read")


def test_the_first_answer_is_told_even_where_many_came_after_it() -> None:
    many = generation(proxies=1000)
    many.latest.clear()
    many.latest.extend(Answered(f"p-{number}#cc", 15.0 + number / 100) for number in range(100))
    names = [each.name for each in trace(many).below[-1].happened]
    assert names == ["first ack", "ack", "ack", "ack", "ack", "last ack"]


def test_what_a_proxy_refuses_is_an_error() -> None:
    root = trace(generation(nacks=[NACK], nacked=[15.5], more_nacks=3))
    assert root.error == root.below[-1].error == "refused by a proxy: no good"
    assert root.attributes["plait.nacks"] == 4
    (nack,) = (each for each in root.below[-1].happened if each.name == "nack")
    assert (nack.at, nack.attributes["resource"]) == (15.5, "80")


def test_what_is_sent_to_nobody_is_an_error() -> None:
    refused = generation(proxies=0, settled=14.0)
    refused.latest.clear()
    for number in range(12):
        refused.refuse(f"cds outbound|{number}", "connect_timeout: must be more than 0")
    root = trace(refused)
    assert root.error == "sent to nobody: cds outbound|0: connect_timeout: must be more than 0"
    assert root.attributes["plait.refused"] == 12
    assert "push" not in named(root)


def test_proxies_that_do_not_answer_are_an_error() -> None:
    root = trace(generation(settled=None, groups={"p-2#dd"}))
    assert root.error == root.below[-1].error == "1 proxies have not answered"
    assert root.ended == 16.0


def test_long_lists_and_texts_are_bounded() -> None:
    large = generation(nacks=[{**NACK, "reason": "x" * 5000}], nacked=[15.0])
    for number in range(500):
        ref = ObjectRef("", "Service", "shop", f"s{number}")
        large.objects[ref] = Changed(ref, "created", None, 0)
    root = trace(large)
    names = root.attributes["plait.objects"]
    assert isinstance(names, list)
    assert (len(names), root.attributes["plait.objects.count"]) == (20, 501)
    assert len(root.error) == 300
