"""Sets of objects as integers, a bit an object: many large ones are joined and counted at the cost of a few words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from xds.model.refs import ObjectRef
from xds.slices import Slices

_BYTES_A_SLICE: Final = 64


class Numbers:
    """The bit of each object that was ever asked for."""

    def __init__(self) -> None:
        self._bits: dict[ObjectRef, int] = {}
        self._objects: list[ObjectRef] = []

    def __len__(self) -> int:
        return len(self._objects)

    def object(self, number: int) -> ObjectRef:
        """The object of the bit ``1 << number``."""
        return self._objects[number]

    def set_of(self, objects: Iterable[ObjectRef]) -> int:
        """The set of these objects."""
        found = 0
        for each in objects:
            bit = self._bits.get(each)
            if bit is None:
                bit = self._bits[each] = 1 << len(self._objects)
                self._objects.append(each)
            found |= bit
        return found


class Tally:
    """In how many of the sets that were added each object is: binary counters side by side, a digit of all an integer.

    Cost: a set added is as many operations on integers as the count has binary digits, however many objects are in it.
    """

    def __init__(self) -> None:
        self._digits: list[int] = []

    def add(self, objects: int) -> None:
        """Count each object of the set once."""
        carry = objects
        for place, digit in enumerate(self._digits):
            if not carry:
                return
            self._digits[place], carry = digit ^ carry, digit & carry
        if carry:
            self._digits.append(carry)

    def counts(self) -> Slices[dict[int, int]]:
        """How often each number was there, of those that were at all; in slices."""
        size = max((digit.bit_length() for digit in self._digits), default=0) // 8 + 1
        columns = [digit.to_bytes(size, "little") for digit in self._digits]
        found: dict[int, int] = {}
        for index in range(size):
            eight = [column[index] for column in columns]
            for bit in range(8 if any(eight) else 0):
                count = sum(((byte >> bit) & 1) << place for place, byte in enumerate(eight))
                if count:
                    found[index * 8 + bit] = count
            if index % _BYTES_A_SLICE == 0:
                yield
        return found
