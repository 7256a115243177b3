"""Write ``install/crds.yaml``: the custom resource definitions, as ``plait crds print`` prints them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from xds.install.text import yaml_text
from xds.kinds.crds.definitions import all_crds

FILE: Final = Path(__file__).parents[1] / "install" / "crds.yaml"

_HEAD: Final = """\
# The kinds that users write, for the API server: kubectl apply --server-side -f crds.yaml, or `plait crds apply`,
# which leaves those of Istio alone. Made by tools/crds.py from xds/kinds; do not edit.
"""


def document() -> str:
    """The text of the file."""
    return _HEAD + yaml_text(all_crds())


def main() -> int:
    """Write the file; returns 0."""
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(document())
    return 0


if __name__ == "__main__":
    sys.exit(main())
