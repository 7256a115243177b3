"""``python -m xds.local.echo``: the same as ``plait echo``, without the rest of the command line."""

from __future__ import annotations

from xds.local.echo.main import main

if __name__ == "__main__":
    raise SystemExit(main())
