"""How users name an object: ``KIND/NAME[.NAMESPACE]``, or kind and name as two words, as istioctl has them."""

from __future__ import annotations

from dataclasses import dataclass

from xds.cli.failure import Failure
from xds.kinds.authored import Kind
from xds.kinds.registry import by_word
from xds.model.refs import ObjectRef

_DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Named:
    """An object that is meant, and what is known of its kind."""

    ref: ObjectRef
    kind: Kind


def named(words: list[str], namespace: str) -> Named:
    """The object that these words name; its namespace is in the name, in ``namespace``, else ``default``.

    Errors: Failure.
    """
    text = "/".join(words)
    word, slash, name = text.partition("/")
    if not slash or not name or "/" in name:
        raise Failure(f"{' '.join(words)!r} names no object: must be KIND/NAME, such as virtualservice/reviews.shop")
    struct = by_word(word)
    if struct is None:
        raise Failure(f"there is no kind {word!r}: must be a kind of the mesh, such as virtualservice or vs")
    kind = struct.KIND
    if not kind.namespaced:
        return Named(ObjectRef(kind.group, kind.name, "", name), kind)
    if not namespace:
        name, dot, after = name.rpartition(".") if "." in name else (name, "", "")
        namespace = after if dot else _DEFAULT
    return Named(ObjectRef(kind.group, kind.name, namespace, name), kind)
