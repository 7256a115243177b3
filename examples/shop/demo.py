"""`make demo`: run the shop on this machine, send traffic through its sidecars, and show where it goes.

1. A tenth of the catalogue's traffic goes to the canary, and testers always reach it.
2. Reviews fail every first time, and nobody notices: the sidecar tries again.
3. The canary is moved to one half while requests flow: no request fails, no connection closes.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

HERE = Path(__file__).parent
PLAIT = (sys.executable, "-c", "from xds.cli import main; main()")
console = Console()


def shop(*arguments: str) -> Iterator[dict[str, str]]:
    """The answers that the shopper in the client pod gets, as they come."""
    words = [*PLAIT, "exec", "--mesh", "demo", "-n", "shop", "deploy/client", "--", sys.executable]
    command = [*words, str(HERE / "shopper.py"), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            yield json.loads(line)
    if process.returncode:
        raise SystemExit(f"the shopper ended with status {process.returncode}")


def watch(title: str, answers: Iterator[dict[str, str]], total: int) -> Counter[str]:
    """Show live who answers; the count of each version."""
    seen: Counter[str] = Counter()
    columns = (TextColumn("  {task.description}"), BarColumn(40), TextColumn("{task.percentage:>5.1f} %"))
    console.print(f"\n[bold]{title}[/bold]")
    with Progress(*columns, console=console) as progress:
        bars = {name: progress.add_task(name, total=total) for name in ("v1", "v2", "failed")}
        for count, answer in enumerate(answers, start=1):
            name = answer["version"] if str(answer["status"]) == "200" else "failed"
            seen[name] += 1
            for bar, task in bars.items():
                progress.update(task, completed=seen[bar], total=count)
    console.print("  " + ", ".join(f"{name}: {number}" for name, number in sorted(seen.items())))
    return seen


def play(manifests: Path) -> None:
    """The three acts."""
    split = watch("catalog, 1000 requests, weights 90/10", shop("catalog", "1000", "0.002", "/"), 1000)
    testers = watch("catalog with x-tester: yes", shop("catalog", "50", "0", "/", "x-tester:yes"), 50)
    flaky = "/?fail_first=1&key={n}"
    retried = watch("reviews that fail every first time, with retries", shop("reviews", "100", "0", flaky), 100)

    answers = shop("catalog", "2000", "0.002", "/")
    before = [next(answers) for _ in range(200)]
    catalog = manifests / "catalog.yaml"
    catalog.write_text(catalog.read_text().replace("weight: 90", "weight: 50").replace("weight: 10", "weight: 50"))
    moved = watch("the canary goes to 50/50 while requests flow", answers, 1800)
    failed = sum(each["failed"] for each in (split, testers, retried, moved))
    failed += sum(str(answer["status"]) != "200" for answer in before)
    console.print(f"\n[bold]3150 requests, {failed} failed.[/bold]")
    if failed or testers["v1"] or not 60 <= split["v2"] <= 140:
        raise SystemExit("the demo did not show what it should")


def main() -> None:
    """Start the mesh, play, end it."""
    with tempfile.TemporaryDirectory() as folder:
        manifests = Path(folder) / "shop"
        shutil.copytree(HERE, manifests, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
        command = [*PLAIT, "up", str(manifests), "--mesh", "demo"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as mesh:
            assert mesh.stdout is not None
            try:
                console.print("Starting the shop: every pod a network namespace, every sidecar a stock Envoy ...")
                for line in mesh.stdout:
                    console.print(f"  {line.rstrip()}", style="dim", markup=False, highlight=False)
                    if line.strip() == "READY":
                        break
                else:
                    raise SystemExit("the mesh did not start")
                play(manifests)
            finally:
                mesh.terminate()


if __name__ == "__main__":
    main()
