"""The mesh that a question is about: what stands in files, or what a control plane has."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xds.cli.failure import Failure
from xds.cli.where import Where

if TYPE_CHECKING:
    from xds.cli.manifests import Manifests


@dataclass(frozen=True, slots=True)
class Place(Where):
    """Where the configuration is."""

    file: Annotated[
        list[Path] | None,
        typer.Option("-f", "--file", help="A file or directory of manifests; may be repeated. Default: what runs."),
    ] = None


def manifests_at(place: Place) -> Manifests:
    """What is there, read and decoded. Errors: Failure, Unreachable."""
    from xds.cli.in_force import in_files, in_force
    from xds.cli.manifests import together
    from xds.model.credential import unexamined
    from xds.setting_values import SettingError
    from xds.settings import Settings

    try:
        settings = Settings.resolve(os.environ, {"manifests": tuple(place.file or ())})
    except SettingError as error:
        raise Failure(str(error)) from None
    known = in_files(place.file, settings) if place.file else in_force(place, settings)
    if not known.stand_ins:
        return together(known.objects, known.problems, settings, known.addresses)
    objects = (*known.objects, *known.stand_ins)
    return together(objects, known.problems, settings, known.addresses, unexamined)
