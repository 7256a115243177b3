"""The build hook: generates ``xds/api``, and fetches the dashboard's libraries, before a wheel is made."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_DATA: Final = "envoy-bootstrap"
_DATA_IN_WHEEL: Final = "xds/envoy-bootstrap"


class ApiBuildHook(BuildHookInterface[Any]):
    """Runs build_api.generate (a no-op when the package is up to date); adds the data that ships beside the code."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write ``xds/api`` below the project's root, and name the data of a wheel."""
        root = Path(self.root)
        if _load(root / "build_api", "generate").generate(root / "xds" / "api"):
            self.app.display_info("xds/api generated")
        libraries = _load(root / "build_dashboard", "fetch")
        try:
            libraries.fetch(root / "xds" / "dashboard" / "assets")
        except libraries.FetchError as error:  # all else works without them, and the dashboard says that they lack
            self.app.display_warning(str(error))
        # An editable install reads the data where it is: a copy in site-packages would grow old.
        if version == "standard" and (root / _DATA).is_dir():
            build_data["force_include"][_DATA] = _DATA_IN_WHEEL


def _load(package: Path, module_name: str) -> ModuleType:
    """A module of a package here, without the project's root on sys.path: its folder ``xds`` is not xds-protos'."""
    spec = importlib.util.spec_from_file_location(
        package.name, package / "__init__.py", submodule_search_locations=[str(package)]
    )
    if spec is None or spec.loader is None:
        message = f"{package} is not a package"
        raise ImportError(message)
    module = importlib.util.module_from_spec(spec)
    sys.modules[package.name] = module
    spec.loader.exec_module(module)
    return importlib.import_module(f"{package.name}.{module_name}")
