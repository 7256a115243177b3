"""Filters of HTTPRoutes and GRPCRoutes, as the policies that VirtualServices have too."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from xds.decoders.gateway_api.references import backend
from xds.kinds.gateway_api import filters as structs
from xds.model.gateway_api import Backend, Fault
from xds.model.policy import Policies, Policy
from xds.model.quantity import ALWAYS, NEVER, Percent
from xds.model.route import Comparison, StringMatch
from xds.translators.cors.policy import Cors
from xds.translators.feature import Reading
from xds.translators.headers.policy import NO_EDITS, Edits, HeaderOperations, names_host
from xds.translators.mirrors.policy import Mirror, Mirrors
from xds.translators.redirects.policy import Redirect
from xds.translators.rewrites.policy import HostRewrite, PathRewrite

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL: Final = re.compile(r"[\x00\r\n]")
_HOST: Final = re.compile(r"[^\s/\x00]+")
_ORIGIN: Final = re.compile(r"[^\s\x00]+")
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_WHOLE_PATH: Final = "^/.*$"
UNSUPPORTED: Final = "UnsupportedValue"
INCOMPATIBLE: Final = "IncompatibleFilters"


@dataclass(slots=True)
class Filtered:
    """What filters say: policies, the backends of mirrors, and what cannot be carried out.

    ``prefix`` is the path that the rule's match matches by segments, None where it matches otherwise.
    """

    reading: Reading
    prefix: str | None
    faults: list[Fault] = field(default_factory=list)
    mirrors: list[Backend] = field(default_factory=list)
    _policies: dict[type, Policy] = field(default_factory=dict)
    _shares: list[Mirror] = field(default_factory=list)

    def refuse(self, path: str, message: str, reason: str = UNSUPPORTED) -> None:
        """Note what cannot be carried out."""
        self.faults.append(Fault(reason, path, message))

    def put(self, policy: Policy) -> None:
        """Note a policy."""
        self._policies[type(policy)] = policy

    def mirror(self, to: Backend, share: Percent) -> None:
        """Note a place that gets copies."""
        self.mirrors.append(to)
        if to.fault is None and share != NEVER:
            self._shares.append(Mirror(to.destination, share))

    def edit(self, *, request: Edits = NO_EDITS, response: Edits = NO_EDITS) -> None:
        """Note edits of headers."""
        known = self._policies.get(HeaderOperations)
        before = known if isinstance(known, HeaderOperations) else HeaderOperations()
        self.put(HeaderOperations(request.after(before.request), response.after(before.response)))

    @property
    def policies(self) -> Policies:
        """All of it."""
        if Redirect in self._policies and {PathRewrite, HostRewrite} & self._policies.keys():
            return Policies(p for p in self._policies.values() if not isinstance(p, PathRewrite | HostRewrite))
        mirrors = (Mirrors(tuple(self._shares)),) if self._shares else ()
        return Policies((*self._policies.values(), *mirrors))


def decode_filters(found: Iterable[structs.Filter], path: str, into: Filtered, *, of_share: bool = False) -> None:
    """Read ``filters`` at ``path`` into ``into``; those of one backend (``of_share``) may only edit headers."""
    kinds: list[str] = []
    for index, each in enumerate(found):
        at = f"{path}.{index}"
        kinds.append(each.type)
        if of_share and each.type not in ("RequestHeaderModifier", "ResponseHeaderModifier"):
            into.refuse(at, f"{each.type} is not carried out for one backend; it may stand in the rule")
            continue
        _FILTERS.get(each.type, _unknown)(each, at, into)
    for kind in sorted({kind for kind in kinds if kinds.count(kind) > 1 and kind != "RequestMirror"}):
        into.refuse(path, f"must have {kind} once at most", INCOMPATIBLE)
    if {"RequestRedirect", "URLRewrite"} <= set(kinds):
        into.refuse(path, "must not have URLRewrite beside RequestRedirect: nothing is forwarded", INCOMPATIBLE)


def _unknown(struct: structs.Filter, at: str, into: Filtered) -> None:
    into.refuse(at, f"{struct.type} is no filter that Plait carries out")


def _request_headers(struct: structs.Filter, at: str, into: Filtered) -> None:
    if struct.request_header_modifier is None:
        return into.refuse(at, "must have requestHeaderModifier")
    host = next((each.value for each in struct.request_header_modifier.set if names_host(each.name)), "")
    if host:
        into.put(HostRewrite(host))
    return into.edit(request=_edits(struct.request_header_modifier, f"{at}.requestHeaderModifier", into))


def _response_headers(struct: structs.Filter, at: str, into: Filtered) -> None:
    if struct.response_header_modifier is None:
        return into.refuse(at, "must have responseHeaderModifier")
    return into.edit(response=_edits(struct.response_header_modifier, f"{at}.responseHeaderModifier", into))


def _edits(struct: structs.HTTPHeaderFilter, at: str, into: Filtered) -> Edits:
    return Edits(
        remove=tuple(sorted({name.lower() for name in struct.remove if _is_name(name, f"{at}.remove", into)})),
        replace=tuple(_values(struct.set, f"{at}.set", into)),
        add=tuple(_values(struct.add, f"{at}.add", into)),
    )


def _values(headers: Iterable[structs.HTTPHeader], at: str, into: Filtered) -> Iterator[tuple[str, str]]:
    first: dict[str, str] = {}
    for index, each in enumerate(headers):
        if names_host(each.name) and at.endswith("requestHeaderModifier.set"):
            continue
        if not _is_name(each.name, f"{at}.{index}", into):
            continue
        if _CONTROL.search(each.value):
            into.refuse(f"{at}.{index}", "must not have line breaks or zero bytes in its value")
            continue
        first.setdefault(each.name.lower(), each.value.replace("%", "%%"))
    yield from sorted(first.items())


def _is_name(name: str, at: str, into: Filtered) -> bool:
    if _TOKEN.fullmatch(name) and not names_host(name):
        return True
    into.refuse(at, f"must be a header that can be edited, is {name!r}")
    return False


def _redirect(struct: structs.Filter, at: str, into: Filtered) -> None:
    said = struct.request_redirect
    if said is None:
        return into.refuse(at, "must have requestRedirect")
    at = f"{at}.requestRedirect"
    if said.scheme not in (None, "http", "https"):
        return into.refuse(f"{at}.scheme", f"must be http or https, is {said.scheme!r}")
    if said.status_code not in _REDIRECTS:
        return into.refuse(f"{at}.statusCode", f"must be one of {', '.join(map(str, _REDIRECTS))}")
    if said.hostname is not None and not _HOST.fullmatch(said.hostname):
        return into.refuse(f"{at}.hostname", f"must be a host, is {said.hostname!r}")
    path = _path(said.path, f"{at}.path", into)
    whole = said.path.replace_full_path if said.path is not None and said.path.type == "ReplaceFullPath" else ""
    return into.put(
        Redirect(
            status=said.status_code,
            scheme=said.scheme or "",
            authority=said.hostname or "",
            port=said.port or 0,
            path=whole or "",
            prefix=path.prefix if path is not None and not whole else "",
            regex=path.regex if path is not None and not whole else "",
            substitution=path.substitution if path is not None and not whole else "",
            by_listener=True,
        )
    )


def _rewrite(struct: structs.Filter, at: str, into: Filtered) -> None:
    said = struct.url_rewrite
    if said is None:
        return into.refuse(at, "must have urlRewrite")
    at = f"{at}.urlRewrite"
    if said.hostname is not None:
        if not _HOST.fullmatch(said.hostname):
            into.refuse(f"{at}.hostname", f"must be a host, is {said.hostname!r}")
        else:
            into.put(HostRewrite(said.hostname))
    path = _path(said.path, f"{at}.path", into)
    return into.put(path) if path is not None else None


def _path(said: structs.HTTPPathModifier | None, at: str, into: Filtered) -> PathRewrite | None:
    if said is None:
        return None
    text = said.replace_full_path if said.type == "ReplaceFullPath" else said.replace_prefix_match
    if said.type not in ("ReplaceFullPath", "ReplacePrefixMatch") or text is None:
        into.refuse(at, f"must have ReplaceFullPath or ReplacePrefixMatch, and a value for it; has {said.type}")
    elif _CONTROL.search(text):
        into.refuse(at, "must not have line breaks or zero bytes")
    elif said.type == "ReplaceFullPath":
        return PathRewrite(regex=_WHOLE_PATH, substitution=_rooted(text).replace("\\", "\\\\"))
    elif into.prefix is None:
        into.refuse(at, "replaces a prefix, so that all matches of the rule must be of type PathPrefix")
    else:
        return _by_prefix(into.prefix, _rooted(text))
    return None


def _rooted(path: str) -> str:
    return path if path.startswith("/") else f"/{path}"


def _by_prefix(prefix: str, new: str) -> PathRewrite:
    """``new`` in place of ``prefix``, whole segments both; a path that is nothing but the prefix becomes ``new``."""
    new = new.rstrip("/")
    if prefix == "/":
        return PathRewrite(prefix=f"{new}/")
    if new:
        return PathRewrite(prefix=new)
    return PathRewrite(regex=f"^{re.escape(prefix)}/*", substitution="/")


def _mirror(struct: structs.Filter, at: str, into: Filtered) -> None:
    said = struct.request_mirror
    if said is None:
        return into.refuse(at, "must have requestMirror")
    share = ALWAYS
    if said.fraction is not None and said.fraction.denominator > 0:
        share = Percent.of(min(100.0, 100 * said.fraction.numerator / said.fraction.denominator))
    elif said.percent is not None:
        share = Percent.of(min(100.0, max(0.0, said.percent)))
    return into.mirror(backend(said.backend_ref, f"{at}.requestMirror.backendRef", into.reading), share)


def _cors(struct: structs.Filter, at: str, into: Filtered) -> None:
    said = struct.cors
    if said is None:
        return into.refuse(at, "must have cors")
    for name, listed in (("Methods", said.allow_methods), ("Headers", said.allow_headers)):
        for word in listed:
            if not _TOKEN.fullmatch(word):
                return into.refuse(f"{at}.cors.allow{name}", f"must be names, has {word!r}")
    for origin in said.allow_origins:
        if not _ORIGIN.fullmatch(origin):
            return into.refuse(f"{at}.cors.allowOrigins", f"must be an origin, is {origin!r}")
    return into.put(
        Cors(
            origins=tuple(map(_origin, said.allow_origins)),
            methods=said.allow_methods,
            headers=said.allow_headers,
            exposed=said.expose_headers,
            max_age=timedelta(seconds=said.max_age),
            credentials=said.allow_credentials or None,
            forward_unmatched=False,
        )
    )


def _origin(text: str) -> StringMatch:
    if text == "*" or "*" not in text:
        return StringMatch(Comparison.EXACT, text)
    return StringMatch(Comparison.REGEX, re.escape(text).replace(r"\*", r"[^/]+"))


_FILTERS: Final = {
    "RequestHeaderModifier": _request_headers,
    "ResponseHeaderModifier": _response_headers,
    "RequestRedirect": _redirect,
    "URLRewrite": _rewrite,
    "RequestMirror": _mirror,
    "CORS": _cors,
}
