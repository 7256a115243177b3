"""The figures to hold (design.md): what others need, the first bar, the goal; and what was measured beside them."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Final


@dataclass(frozen=True, slots=True)
class Bars:
    """What a figure is measured against. Units are the figure's own; None where nobody measured."""

    istiod: float | None = None
    go_control_plane: float | None = None
    first_bar: float | None = None
    goal: float | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table: ``values`` and ``broadcast`` are the repeats, in ``unit`` (s, B or a word for a count).

    ``secured`` is whether the sidecars prove who they are and all of the mesh speaks mutual TLS.
    """

    scenario: str
    sidecars: int
    what: str
    unit: str
    values: tuple[float, ...]
    broadcast: tuple[float, ...] = ()
    secured: bool = False

    @property
    def value(self) -> float:
        """The median of the repeats."""
        return median(self.values)

    @property
    def reference(self) -> float | None:
        """The median of the bare broadcast's repeats; None where there is nothing to compare with."""
        return median(self.broadcast) if self.broadcast else None

    @property
    def ratio(self) -> float | None:
        """Ours by the bare broadcast's."""
        return self.value / self.reference if self.reference else None

    @property
    def bars(self) -> Bars:
        """What it is measured against; nothing for a figure that design.md does not name."""
        return BARS.get((self.scenario, self.sidecars, self.what), Bars())

    @property
    def verdict(self) -> str:
        """``goal``, ``bar`` or ``missed``; empty where there is no bar."""
        if self.bars.first_bar is None:
            return ""
        if self.bars.goal is not None and self.value <= self.bars.goal:
            return "goal"
        return "bar" if self.value <= self.bars.first_bar else "missed"


COLD: Final = "cold sync"
ENDPOINT: Final = "endpoint change"
ROUTE: Final = "route change"
SERVICE: Final = "service added"
MEMORY: Final = "memory"
LIBRARY: Final = "library"
POLICY: Final = "policy of a namespace"
ROOT_POLICY: Final = "policy of the mesh"
ROOT: Final = "new root"
RENEWAL: Final = "renewal"
SIGNING: Final = "signing"
COMMANDS: Final = "commands"

WALL: Final = "wall"
CPU: Final = "server CPU"
LAST: Final = "to the last"
BYTES: Final = "bytes"
RSS: Final = "RSS"
HELD: Final = "loop held"
ISSUED: Final = "1000 keys and certificates"
SIGNED: Final = "1000 CSRs to certificates"
VERSION: Final = "version --client"
PROXY_STATUS: Final = "proxy-status"

_MB: Final = 1e6

BAR_S: Final = 1.0  # of processor time for 1000 certificates
_HELD_S: Final = 0.020  # longer than this the event loop is never held

BARS: Final = {
    (COLD, 200, WALL): Bars(18.1, None, 4.0, 1.5),
    (COLD, 200, CPU): Bars(34.3, None, 3.0, 1.0),
    (COLD, 1000, WALL): Bars(107.0, 5.9, 9.0, 5.0),
    (COLD, 1000, CPU): Bars(201.0, 7.6, 8.0, 4.0),
    (ENDPOINT, 200, LAST): Bars(0.159, None, 0.060, 0.030),
    (ENDPOINT, 1000, LAST): Bars(None, 0.94, 0.300, 0.200),
    (ROUTE, 200, LAST): Bars(3.0, None, 0.200, 0.060),
    (ROUTE, 200, BYTES): Bars(103 * _MB, None, 1 * _MB, 0.3 * _MB),
    (SERVICE, 200, LAST): Bars(3.5, None, 0.300, 0.080),
    (SERVICE, 200, BYTES): Bars(104 * _MB, None, 2 * _MB, 0.5 * _MB),
    (MEMORY, 200, RSS): Bars(512 * _MB, None, 250 * _MB, 150 * _MB),
    (MEMORY, 1000, RSS): Bars(1300 * _MB, 660 * _MB, 400 * _MB, 250 * _MB),
    (POLICY, 1000, HELD): Bars(first_bar=_HELD_S),
    (ROOT_POLICY, 1000, HELD): Bars(first_bar=_HELD_S),
    (ROOT, 1000, HELD): Bars(first_bar=_HELD_S),
    (RENEWAL, 1000, HELD): Bars(first_bar=_HELD_S),
    (SIGNING, 0, ISSUED): Bars(first_bar=BAR_S),
    (SIGNING, 0, SIGNED): Bars(first_bar=BAR_S),
    (COMMANDS, 0, VERSION): Bars(first_bar=0.25),
    (COMMANDS, 0, PROXY_STATUS): Bars(first_bar=0.5),
}


def spelled(value: float | None, unit: str) -> str:
    """A figure as people read it: ``31 ms``, ``1.42 s``, ``0.31 MB``; a dash for None."""
    if value is None:
        return "-"
    if unit == "s":
        return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.1f} ms" if value < 0.1 else f"{value * 1000:.0f} ms"
    if unit == "B":
        return f"{value / _MB:.0f} MB" if value >= 10 * _MB else f"{value / _MB:.2f} MB"
    return f"{value:.4g} {unit}".strip()
