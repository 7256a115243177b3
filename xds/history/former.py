"""Objects as they were before they were changed, for a while: a bounded number of bytes, and never what is secret."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

import msgspec

from xds.kinds.authored import Stored
from xds.kinds.registry import BY_GROUP_KIND, to_plain
from xds.model.refs import ObjectRef

MOST_BYTES: Final = 16 * 1024 * 1024
_NOT_WRITTEN: Final = frozenset({"uid", "generation", "creationTimestamp", "deletionTimestamp", "ownerReferences"})
_OURS_ALONE: Final = frozenset({"demand.plait", "keys.plait", "names.plait", "recordings.plait"})
_LEFT_BY_KUBECTL: Final = "kubectl.kubernetes.io/last-applied-configuration"


def is_kept(ref: ObjectRef) -> bool:
    """Whether all that users wrote in objects of this kind is read, so that they can be written again as they were.

    Of Kubernetes' own kinds we read a part; Secrets are among those.
    """
    struct = BY_GROUP_KIND.get((ref.group, ref.kind))
    return struct is not None and not issubclass(struct, Stored) and not ref.cluster and ref.group not in _OURS_ALONE


def manifest(struct: Any) -> dict[str, Any]:
    """The object as a manifest has it: JSON types, without what the API server adds."""
    plain = to_plain(struct)
    metadata = {key: each for key, each in plain["metadata"].items() if key not in _NOT_WRITTEN}
    annotations = {key: each for key, each in metadata.pop("annotations", {}).items() if key != _LEFT_BY_KUBECTL}
    return {**plain, "metadata": {**metadata, **({"annotations": annotations} if annotations else {})}}


class Content:
    """What an object was before a change, and after; ``None`` on a side where it did not exist.

    ``dropped``: it was known, and had to make room.
    """

    __slots__ = ("after", "before", "dropped", "size")

    def __init__(self, before: Any, after: Any) -> None:
        self.before = before
        self.after = after
        self.dropped = False
        self.size = sum(len(msgspec.json.encode(each)) for each in (before, after) if each is not None)


class Former:
    """The latest contents, as many as fit into ``most_bytes``."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._size = 0
        self._kept: deque[Content] = deque()

    def keep(self, before: Any, after: Any) -> Content:
        """Keep an object's two sides; the oldest make room."""
        content = Content(before, after)
        self._kept.append(content)
        self._size += content.size
        while self._size > self._most and self._kept:
            oldest = self._kept.popleft()
            self._size -= oldest.size
            oldest.dropped = True  # before its sides go: who reads them in a thread looks for that afterwards
            oldest.before = oldest.after = None
        return content
