"""What the clock says about certificates, in words that tell a wrong clock from a wrong certificate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509

# No machine that runs this is older: an earlier clock was never set.
_EARLIEST: Final = datetime(2025, 1, 1, tzinfo=UTC)
_SOON: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Findings:
    """Sentences: ``problems`` forbid use, ``warnings`` will become problems."""

    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def __add__(self, other: Findings) -> Findings:
        return Findings((*self.problems, *other.problems), (*self.warnings, *other.warnings))


def check(named: Sequence[tuple[str, x509.Certificate]], now: datetime) -> Findings:
    """Whether each certificate is valid at ``now``; each comes with the name by which its owner knows it.

    An absurd clock is the only finding then: what the certificates say beside it means nothing.
    """
    if now < _EARLIEST:
        return Findings(
            (f"the clock of this machine says {stamp(now)}, which cannot be: set it (NTP) and start again",)
        )
    found = Findings()
    for name, certificate in named:
        found += _check(f"{name} ({subject(certificate)})", certificate, now)
    return found


def subject(certificate: x509.Certificate) -> str:
    """Its subject, or the names it has instead."""
    return certificate.subject.rfc4514_string() or ", ".join(alternative_names(certificate)) or "no subject"


def alternative_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """Its subject alternative names, as they stand."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return tuple(str(name.value) for name in names)


def stamp(moment: datetime) -> str:
    """``2026-08-01T12:00:00Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _check(what: str, certificate: x509.Certificate, now: datetime) -> Findings:
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < begins:
        problem = (
            f"{what} is valid from {stamp(begins)} only, and the clock here says {stamp(now)}: it is slow by "
            f"{span(begins - now)} or more, or that of the machine that made the certificate was fast; "
            "set the clock (NTP), else make the certificate again"
        )
        return Findings((problem,))
    if now >= ends:
        problem = (
            f"{what} expired at {stamp(ends)}, {span(now - ends)} ago by the clock here, which says {stamp(now)}: "
            "replace it, unless that clock is wrong"
        )
        return Findings((problem,))
    soon = min(_SOON, (ends - begins) / 5)
    if ends - now < soon:
        return Findings(warnings=(f"{what} expires at {stamp(ends)}, in {span(ends - now)}: replace it before",))
    return Findings()


def span(length: timedelta) -> str:
    """``12 days``, ``3 hours``, ``5 minutes`` or ``40 seconds``: the largest unit that has two of them."""
    seconds = int(length.total_seconds())
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} seconds"
