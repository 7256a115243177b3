"""``plait wait``: until an object, as it is now, is in use by all proxies that have something of it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from xds.cli.control_plane import ControlPlane, control_plane
from xds.cli.durations import duration
from xds.cli.failure import Failure
from xds.cli.lazy import typer_app
from xds.cli.object_names import Named, named
from xds.cli.options import grouped
from xds.cli.output import Output, OutputOption, print_document
from xds.cli.where import Where, found
from xds.model.api_path import collection, item

app = typer_app()

_EVERY_S: Final = 0.2
_MOST_SAID: Final = 5

Answers = Mapping[str, Mapping[str, Any]]


class For(StrEnum):
    """What is waited for; the last two are istioctl's words for the first."""

    LIVE = "live"
    GONE = "gone"
    DELIVERY = "delivery"
    DISTRIBUTION = "distribution"


@dataclass(frozen=True, slots=True)
class Standing:
    """How an object does on all control planes together."""

    found: bool
    generation: int
    ready: bool
    live: int
    total: int
    behind: tuple[str, ...]
    rejections: tuple[str, ...]
    errors: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """How many of a hundred proxies it is live on; of none: 100."""
        return 100 * self.live / self.total if self.total else 100.0


def standing(answers: Answers) -> Standing:
    """The answers of all replicas to ``/debug/live`` as one; the generation is that which all have at least."""
    every = list(answers.values())
    rejections = [each for one in every for each in one["rejections"]]
    problems = [each for one in every for each in one["problems"]]
    return Standing(
        found=all(one["found"] for one in every),
        generation=min(one["generation"] for one in every),
        ready=all(one["served"] and one["checked"] for one in every),
        live=sum(one["live"] for one in every),
        total=sum(one["total"] for one in every),
        behind=tuple(sorted({name for one in every for name in one["behind"]})),
        rejections=tuple(
            dict.fromkeys(f"{each['proxy']} refused {each['resource']}: {each['reason']}" for each in rejections)
        ),
        errors=_said(problems, "error"),
        warnings=_said(problems, "warning"),
    )


def _said(problems: Iterable[Mapping[str, str]], level: str) -> tuple[str, ...]:
    found = (each for each in problems if each["level"] == level)
    return tuple(dict.fromkeys(f"{each['field']}: {each['message']} [{each['code']}]" for each in found))


@dataclass(frozen=True, slots=True)
class Enough:
    """When the waiting is over."""

    until: Annotated[For, typer.Option("--for", help="live: in use; gone: nobody uses it any more.")] = For.LIVE
    proxies: Annotated[str, typer.Option("--proxies", metavar="all|N%", help="How many proxies are enough.")] = "all"
    threshold: Annotated[
        float, typer.Option("--threshold", min=0, max=1, help="The same as a share of 1.", hidden=True)
    ] = 1
    timeout: Annotated[str, typer.Option("--timeout", metavar="DURATION", help="How long to wait.")] = "60s"
    generation: Annotated[
        int,
        typer.Option(
            "--generation",
            min=0,
            metavar="N",
            help="Which at least. Default: what the API server has; of files, the newest that was read.",
        ),
    ] = 0


@app.command()
@grouped
def command(
    words: Annotated[
        list[str], typer.Argument(metavar="KIND/NAME[.NS]", help="The object; also as two words: KIND NAME[.NS].")
    ],
    enough: Enough,
    where: Where,
    namespace: Annotated[str, typer.Option("-n", "--namespace", metavar="NS", help="The object's namespace.")] = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """Wait until an object is live: all connected proxies that have anything made from it have acknowledged all of it.

    Exit status 0: it is. 1: not within --timeout, or it is wrong, or a proxy has refused what is made from it.
    """
    share = min(_share(enough.proxies), 100 * enough.threshold)
    wanted, limit = named(words, namespace), duration(enough.timeout, "--timeout")
    waiting = Waiting(control_plane(where), wanted, limit)
    if enough.until is For.GONE:
        waiting.gone(output)
    else:
        waiting.live(share, enough.generation or newest(where, wanted), output)


def _share(text: str) -> float:
    number = text.removesuffix("%")
    if text == "all":
        return 100.0
    try:
        share = float(number) if text.endswith("%") else -1.0
    except ValueError:
        share = -1.0
    if not 0 <= share <= 100:
        raise Failure(f"--proxies must be all or a share such as 90%, is {text!r}")
    return share


def newest(where: Where, wanted: Named) -> int:
    """The generation that the API server has; 0 where there is none to ask, or the kind has no generations.

    Errors: Failure where there is no such object.
    """
    from xds.cli.cluster import Cluster

    place = None if where.http else found(where)
    if not isinstance(place, Cluster) or wanted.kind.name == "MeshConfig":
        return 0
    kind, ref = wanted.kind, wanted.ref
    body = place.get(item(collection(kind.group, kind.versions[0], kind.plural, ref.namespace), ref.name))
    return int(json.loads(body)["metadata"].get("generation", 0))


class Waiting:
    """Asks again and again, until ``limit``."""

    def __init__(self, to: ControlPlane, wanted: Named, limit: timedelta) -> None:
        self._to = to
        self._wanted = wanted
        self._limit = limit
        self._began = time.monotonic()

    def live(self, share: float, generation: int, output: Output) -> None:
        """Exit when so many of a hundred proxies have that generation or a later one."""
        while True:
            now = standing(self._ask())
            known = now.found and now.ready and now.generation >= generation
            if known and now.errors:
                self._end(now, f"is wrong: {'; '.join(now.errors[:_MOST_SAID])}", 1, output)
            if known and now.share >= share:
                self._end(now, self._counted(now), 0, output)
            if known and now.rejections and share == 100:
                self._end(now, f"{_counts(now)}; {'; '.join(now.rejections[:_MOST_SAID])}", 1, output)
            self._pause(now, _why_not(now, generation), output)

    def gone(self, output: Output) -> None:
        """Exit when no control plane has it and all proxies have answered for the generation without it."""
        last: Mapping[str, int] | None = None
        while True:
            answers = self._ask()
            now = standing(answers)
            if any(one["found"] or not one["served"] for one in answers.values()):
                last = None
                self._pause(now, "is still there", output)
                continue
            told = self._to.ask_each("/debug/history", last="0")
            if last is None or last.keys() != told.keys():
                last = {name: each["generation"] for name, each in told.items()}
            waiting = sum(_waiting(each, last[name]) for name, each in told.items())
            if not waiting:
                self._end(now, f"is gone, and no proxy has it ({self._took()})", 0, output)
            self._pause(now, f"is gone, but {waiting} answers of proxies are missing", output)

    def _ask(self) -> Answers:
        ref = self._wanted.ref
        query = {"group": ref.group, "kind": ref.kind, "namespace": ref.namespace, "name": ref.name}
        answers = self._to.ask_each("/debug/live", **query)
        # One that does not answer is told of once; its proxies come to the others.
        self._to = ControlPlane(tuple(each for each in self._to.replicas if each.name in answers))
        if any(not isinstance(each, dict) for each in answers.values()):
            raise Failure(
                f"what answers at {self._to.name} cannot tell whether an object is live: is it of this version?"
            )
        return answers

    def _pause(self, now: Standing, why: str, output: Output) -> None:
        if time.monotonic() - self._began >= self._limit.total_seconds():
            self._end(now, f"{why}; given up after {self._limit.total_seconds():g}s", 1, output)
        time.sleep(_EVERY_S)

    def _end(self, now: Standing, said: str, status: int, output: Output) -> None:
        ref = self._wanted.ref
        if output is Output.TABLE:
            typer.echo(f"{ref} {said}", err=status != 0)
        else:
            known = {"object": str(ref), "generation": now.generation, "live": now.live, "total": now.total}
            more = {"behind": now.behind, "rejections": now.rejections, "errors": now.errors, "warnings": now.warnings}
            listed = {key: list(each) for key, each in more.items()}
            print_document({**known, **listed, "said": said, "done": status == 0}, output)
        raise typer.Exit(status)

    def _counted(self, now: Standing) -> str:
        if not now.total:
            why = "".join(f"; {each}" for each in now.warnings[:_MOST_SAID])
            return f"(generation {now.generation}) is in force, and no connected proxy needs anything of it{why}"
        return f"{_counts(now)} ({self._took()})"

    def _took(self) -> str:
        return f"waited {time.monotonic() - self._began:.1f}s"


def _waiting(history: Mapping[str, Any], newest: int) -> int:
    return sum(count for number, count in history["waiting"].items() if int(number) <= newest)


def _counts(now: Standing) -> str:
    return f"(generation {now.generation}) is live on {now.live} of {now.total} proxies"


def _why_not(now: Standing, generation: int) -> str:
    if not now.found:
        return "is in no source of the control plane"
    if now.generation < generation:
        return f"is known in generation {now.generation}, not yet in {generation}"
    if not now.ready:
        return "is still being worked in"
    return f"{_counts(now)}; not on {_some(now.behind)}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_SAID} more" if len(names) > _MOST_SAID else ""
    return (", ".join(names[:_MOST_SAID]) or "all of them") + more
