"""What each maker read, recorded while it ran; a change re-runs exactly the makers that read it.

A *maker* is a pure function ``maker(read, *args)``. It looks at the mesh only through ``read``, so what it depends on
is known without being listed anywhere. Values that come out equal keep their identity, and stop the wave of changes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any, Concatenate, Final, NamedTuple, ParamSpec, TypeVar

from xds.model.refs import ObjectRef
from xds.model.snapshot import ALL, Input, Rows, Snapshot, Table

A = ParamSpec("A")
T = TypeVar("T")

_NOTHING: Final = object()


class Call(NamedTuple):
    """A maker with its arguments: the name of a value."""

    maker: Callable[..., Any]
    args: tuple[Hashable, ...]


def call(maker: Callable[Concatenate[Read, A], Any], *args: A.args, **_: A.kwargs) -> Call:
    """The call of ``maker`` with ``args``, not made yet; arguments are checked by the type checker as if it were."""
    return Call(maker, args)


class _Node:
    __slots__ = ("aside", "call", "children", "failed", "inputs", "parents", "pinned", "suspect", "value")

    def __init__(self, made: Call) -> None:
        self.call = made
        self.value: Any = _NOTHING
        self.inputs: dict[Input, Rows] = {}
        self.children: dict[_Node, Any] = {}
        self.aside: set[_Node] = set()
        self.parents: set[_Node] = set()
        self.suspect = True
        self.failed = False
        self.pinned = False


class Read:
    """The mesh as one running maker sees it; notes everything that is looked at."""

    __slots__ = ("_graph", "_node")

    def __init__(self, graph: Graph, node: _Node) -> None:
        self._graph = graph
        self._node = node

    def rows(self, table: Table, key: Hashable) -> Rows:
        """The rows under ``key`` of ``table``."""
        return self._input(Input(table, key))

    def first(self, table: Table, key: Hashable) -> Any:
        """The row that wins under ``key``, or None."""
        rows = self._input(Input(table, key))
        return rows[0] if rows else None

    def keys(self, table: Table) -> Rows:
        """All keys of ``table``, sorted."""
        return self._input(Input(table, ALL))

    def get(self, maker: Callable[Concatenate[Read, A], T], *args: A.args, **_: A.kwargs) -> T:
        """The value of another maker, made at most once for all who ask."""
        child = self._graph.node(Call(maker, args))
        child.parents.add(self._node)
        self._node.children[child] = child.value  # one that raises is looked at again when it may no longer do so
        self._node.children[child] = self._graph.fresh(child).value
        value: T = child.value
        return value

    def aside(self, maker: Callable[Concatenate[Read, A], T], *args: A.args, **_: A.kwargs) -> T:
        """As ``get``, but what that maker looked at is no author of what is made here: facts, not intent."""
        self._node.aside.add(self._graph.node(Call(maker, args)))
        return self.get(maker, *args, **_)

    def _input(self, wanted: Input) -> Rows:
        node = self._node
        known = node.inputs.get(wanted)
        if known is None:
            known = self._graph.snapshot.read(wanted)
            node.inputs[wanted] = known
            self._graph.readers.setdefault(wanted, set()).add(node)
        return known


class Graph:
    """All values made from one snapshot after another, and who read what."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.readers: dict[Input, set[_Node]] = {}
        self._nodes: dict[Call, _Node] = {}
        self.made = 0

    def __len__(self) -> int:
        return len(self._nodes)

    def advance(self, snapshot: Snapshot, changed: Iterable[Input]) -> set[Call]:
        """Go on to ``snapshot``; answers the calls whose value may now be different, directly or through others."""
        self.snapshot = snapshot
        reached = self.reached(changed)
        for node in reached.values():
            node.suspect = True
        return set(reached)

    def reached(self, changed: Iterable[Input]) -> dict[Call, _Node]:
        """The calls that looked at these inputs, directly or through others, with their nodes."""
        found: dict[Call, _Node] = {}
        wave = [node for wanted in changed for node in self.readers.get(wanted, ())]
        while wave:
            node = wave.pop()
            if node.call not in found:
                found[node.call] = node
                wave.extend(node.parents)
        return found

    def get(self, wanted: Call) -> Any:
        """The value of a call; it is kept until ``release``, whether or not others read it."""
        node = self.node(wanted)
        node.pinned = True
        return self.fresh(node).value

    def release(self, wanted: Call) -> None:
        """Forget a call that ``get`` kept, and whatever only it has read."""
        node = self._nodes.get(wanted)
        if node is not None:
            node.pinned = False
            self._collect(node)

    def provenance(self, wanted: Call) -> frozenset[ObjectRef]:
        """The authored objects that a kept call's value was made from: all that it, or what it asked, looked at."""
        found: set[ObjectRef] = set()
        wave, seen = [self._nodes[wanted]], set[_Node]()
        while wave:
            node = wave.pop()
            if node in seen:
                continue
            seen.add(node)
            for rows in node.inputs.values():
                found.update(ref for row in rows if isinstance(ref := getattr(row, "ref", None), ObjectRef))
            wave.extend(child for child in node.children if child not in node.aside)
        return frozenset(found)

    def value(self, wanted: Call) -> Any:
        """The value of a call where it is made and nothing of it can have changed; else what is no value."""
        node = self._nodes.get(wanted)
        return _NOTHING if node is None or node.suspect or node.failed else node.value

    def node(self, wanted: Call) -> _Node:
        """The node of a call, as it is."""
        node = self._nodes.get(wanted)
        if node is None:
            node = self._nodes[wanted] = _Node(wanted)
        return node

    def fresh(self, node: _Node) -> _Node:
        """The node, brought up to date."""
        if node.suspect:
            if node.value is _NOTHING or node.failed or self._outdated(node):
                self._run(node)
            node.suspect = False
        return node

    def _outdated(self, node: _Node) -> bool:
        if any(self.snapshot.read(wanted) != rows for wanted, rows in node.inputs.items()):
            return True
        return any(self.fresh(child).value is not value for child, value in list(node.children.items()))

    def _run(self, node: _Node) -> None:
        before, inputs = node.children, node.inputs
        node.children, node.inputs, node.aside = {}, {}, set()
        self.made += 1
        node.failed = True
        try:
            value = node.call.maker(Read(self, node), *node.call.args)
            if node.value is _NOTHING or value != node.value:
                node.value = value
            node.failed = False
        finally:  # what a maker has read before it raised decides that it raises
            for wanted in inputs.keys() - node.inputs.keys():
                self._unread(wanted, node)
            for child in before.keys() - node.children.keys():
                child.parents.discard(node)
                self._collect(child)

    def _unread(self, wanted: Input, node: _Node) -> None:
        readers = self.readers.get(wanted)
        if readers is not None:
            readers.discard(node)
            if not readers:
                del self.readers[wanted]

    def _collect(self, node: _Node) -> None:
        if node.pinned or node.parents or node.call not in self._nodes:
            return
        del self._nodes[node.call]
        for wanted in node.inputs:
            self._unread(wanted, node)
        for child in node.children:
            child.parents.discard(node)
            self._collect(child)


class Fork(Graph):
    """What a graph would make of another snapshot, with everything that stays as it is taken from there.

    The graph itself is not changed; ``suspects`` are its calls whose values may be others.
    """

    def __init__(self, graph: Graph, snapshot: Snapshot, changed: Iterable[Input]) -> None:
        super().__init__(snapshot)
        self._graph = graph
        self.suspects = frozenset(graph.reached(changed))

    def node(self, wanted: Call) -> _Node:
        """The node of a call, as it is."""
        known = self._nodes.get(wanted)
        node = super().node(wanted)
        if known is None and wanted not in self.suspects:
            node.value = self._graph.value(wanted)
            node.suspect = node.value is _NOTHING
        return node
