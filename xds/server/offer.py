"""The next response of one subscription: from parts that all streams share where possible, else name by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from xds.server.batch import Batch
from xds.server.names import NONE
from xds.server.subscription import Instead, Subscription
from xds.wire.difference import Difference
from xds.wire.resource import Layers, Resource, find, steps
from xds.wire.type_urls import REMOVED_LAST


def take(sub: Subscription, target: Layers, now: float, *, held_back: bool = False) -> Batch | None:
    """What to send next to bring the client to ``target``, noted as sent; None when there is nothing to say now.

    ``held_back``: only what the client has just asked for.
    """
    if sub.unanswered >= sub.window:
        return None
    if sub.claimed is not None:
        sub.resume(target)
    batch = _probe(sub, target) or _changes(sub, target, now, held_back=held_back)
    if batch is not None:
        sub.unanswered += 1
    return batch


def take_removals(sub: Subscription, target: Layers, withheld_before: float) -> Batch | None:
    """The removals whose turn has come, noted as sent: those withheld since before that time."""
    if not sub.withheld or sub.unanswered >= sub.window:
        return None
    said = _Said()
    for name in sorted(name for name, since in sub.withheld.items() if since <= withheld_before):
        del sub.withheld[name]
        wanted = sub.wanted(name, target)
        if not sub.held.covers(name) or sub.held.version_of(name) is None or wanted is Instead.KEEP:
            continue
        said.add(name, wanted)
        sub.held.holds(name, wanted.version if isinstance(wanted, Resource) else None)
    if not said:
        return None
    sub.unanswered += 1
    return said.batch(sub.held.base)


class _Said:
    """A response in the making."""

    def __init__(self) -> None:
        self.changed: list[Resource] = []
        self.removed: list[str] = []
        self.denied: list[str] = []
        self.aliased: dict[str, tuple[Resource, list[str]]] = {}

    def add(self, name: str, answer: Resource | Instead, *, aliased: bool = False) -> None:
        if isinstance(answer, Resource) and aliased:
            self.aliased.setdefault(answer.name, (answer, []))[1].append(name)
        elif isinstance(answer, Resource):
            self.changed.append(answer)
        elif answer is Instead.REMOVE:
            self.removed.append(name)
        elif answer is Instead.DENY:
            self.denied.append(name)

    def __bool__(self) -> bool:
        return bool(self.changed or self.removed or self.denied or self.aliased)

    def batch(self, prior: Layers, had: str | None = None) -> Batch:
        # Envoy refuses a response that has a resource twice.
        changed = [each for each in self.changed if each.name not in self.aliased]
        parts = (Difference.of(changed),) if changed else ()
        aliased = tuple((resource, tuple(aliases)) for resource, aliases in self.aliased.values())
        return Batch(parts, tuple(self.removed), tuple(self.denied), aliased, prior, had)


def _changes(sub: Subscription, target: Layers, now: float, *, held_back: bool) -> Batch | None:
    if not sub.pending(target, held_back=held_back):
        return None
    due, sub.due = sub.due, False
    only_fresh = held_back and not due
    gone = sub.prepare(target, held_back=only_fresh)
    batch = _shared(sub, target, now, only_fresh=only_fresh)
    if batch is None:
        batch = _individual(sub, target, now, only_fresh=only_fresh)
    if gone:
        batch = replace(batch, removed=(*batch.removed, *gone))
    return batch if due or batch.size or batch.removed or batch.denied else None


def _shared(sub: Subscription, target: Layers, now: float, *, only_fresh: bool) -> Batch | None:
    """The next response from parts that other streams send too; None where this client is a special case."""
    held = sub.held
    if sub.unsettled or sub.doubt.names or sub.by_alias or (only_fresh and held.base is not target):
        return None
    anew = not held.wildcard and held.fresh >= held.names  # nothing else is held
    parts = () if anew or held.base is target else _concerned(sub, held.base, target)
    answers = _answers(sub, target) if held.fresh else ()
    if answers is None or not held.undisturbed(parts) or _refused(sub, (*parts, *answers)):
        return None
    prior, held.base, held.fresh, sub.again = held.base, target, NONE, NONE
    removed = tuple([name for part in parts for name in part.removed])
    if removed and sub.type_url in REMOVED_LAST:
        _withhold(sub, removed, prior, now)
        removed = ()
    sent = tuple([part for part in (*parts, *answers) if part.changed])
    had = None
    if not answers and len(sent) == 1 and len(sent[0].changed) == 1:
        before = find(prior, sent[0].changed[0].name)
        had = None if before is None else before.version
    return Batch(sent, removed, prior=prior, had=had)


def _concerned(sub: Subscription, old: Layers, new: Layers) -> tuple[Difference, ...]:
    return tuple([part for each in steps(old, new) if (part := sub.held.concerned(each))])


def _answers(sub: Subscription, target: Layers) -> tuple[Difference, ...] | None:
    """The resources of the names just asked for; None if there is one that does not exist."""
    fresh = sub.held.fresh
    found = [part for table in target if (part := table.selected(fresh))]
    return tuple(found) if sum(len(part.changed) for part in found) == len(fresh) else None


def _refused(sub: Subscription, parts: Iterable[Difference]) -> bool:
    if not sub.rejections.any_of(sub.type_url):
        return False
    return any(sub.rejections.of(resource) for part in parts for resource in part.changed)


def _withhold(sub: Subscription, names: Iterable[str], prior: Layers, now: float) -> None:
    for name in names:
        before = find(prior, name)
        if before is not None:
            sub.held.holds(name, before.version)
            sub.withheld.setdefault(name, now)


def _individual(sub: Subscription, target: Layers, now: float, *, only_fresh: bool) -> Batch:
    """The next response, decided name by name."""
    held, prior, asked, by_alias = sub.held, sub.held.base, sub.held.fresh, sub.by_alias
    names = set(asked)
    if not only_fresh:
        for part in _concerned(sub, prior, target):
            names.update(part.names, part.removed)
        names |= {name for name in sub.unsettled if held.covers(name)}
        sub.unsettled.clear()
    had = {name: held.version_of(name) for name in names}
    if not only_fresh:
        held.base = target
    held.fresh = NONE
    again, sub.again = sub.again, NONE
    for name in names & sub.doubt.names:  # their turn comes in responses of their own
        held.holds(name, had[name])
    said = _Said()
    for name in sorted(names - sub.doubt.names):
        before = find(prior, name) if name in again and find(target, name) is None else None
        if before is not None:  # nobody may find the cluster that has just changed empty while routes still name it
            held.holds(name, before.version)
            sub.withheld.setdefault(name, now)
            said.add(name, before)
            continue
        answer = _settle(sub, name, target, had[name], asked=name in asked)
        if answer is Instead.WITHHOLD:
            sub.withheld.setdefault(name, now)
        else:
            sub.withheld.pop(name, None)
            said.add(name, answer, aliased=by_alias and name in asked and name in held.names)
    lacked = tuple([resource.name for resource in said.changed if had[resource.name] is None])
    return replace(said.batch(prior, had[said.changed[0].name] if len(said.changed) == 1 else None), lacked=lacked)


def _settle(sub: Subscription, name: str, target: Layers, had: str | None, *, asked: bool) -> Resource | Instead:
    """What to say of one name, what the client holds then being noted."""
    wanted = sub.wanted(name, target)
    if isinstance(wanted, Resource):
        if wanted.version == had or (had is not None and not asked and find(target, name) is None):
            sub.held.holds(name, had)  # nothing to say, or endpoints that went: nobody may be using them first
            return Instead.KEEP if wanted.version == had else Instead.WITHHOLD
        sub.held.holds(name, wanted.version)
        return wanted
    if asked:
        sub.held.holds(name, None)
        return sub.negative(name)
    sub.held.holds(name, had)
    if wanted is Instead.KEEP or had is None:
        return Instead.KEEP
    if sub.type_url in REMOVED_LAST:
        return Instead.WITHHOLD
    sub.held.holds(name, None)
    return Instead.REMOVE


def _probe(sub: Subscription, target: Layers) -> Batch | None:
    """A response of its own for names that were in a rejected one; None when none are in doubt."""
    while sub.doubt.waiting:
        names = [name for name in sub.doubt.next() if sub.held.covers(name)]
        had = sub.held.version_of(names[0]) if len(names) == 1 else None
        said = _Said()
        for name in names:
            wanted = sub.wanted(name, target)
            if wanted is Instead.KEEP:
                sub.doubt.clear((name,))
                continue
            said.add(name, wanted)
            sub.held.holds(name, wanted.version if isinstance(wanted, Resource) else None)
        if said:
            return said.batch(sub.held.base, had)
    return None
