"""How long until the first component runs? `uv run benchmarks/startup.py`.

Processes start in alternating turns, so that drifting machine speed affects all of them
equally:

- `import tensorflow`: Python and TensorFlow alone;
- `first component`: `local_runner.py`, from its start to the first line of a component;
- `cached run`: the same process, until it exits; every component is a cache hit.

With `--baseline`, the same is measured in another checkout of this project, such as a
`git worktree` of an earlier commit. Both use the interpreter that runs the benchmark.
"""

from __future__ import annotations

import dataclasses
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import rich.table
import tyro

from msg_modules.common import console

_REPOSITORY = pathlib.Path(__file__).parents[1]


@dataclasses.dataclass(frozen=True)
class Args:
    """Flags of the benchmark."""

    baseline: pathlib.Path | None = None
    """Another checkout, to compare with."""

    rounds: int = 5
    """Number of turns per contender."""


def main() -> None:
    """Measures and prints the table."""
    args = tyro.cli(Args, description=__doc__)
    checkouts = {"": _REPOSITORY}
    if args.baseline:
        checkouts["baseline: "] = args.baseline.absolute()
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as directory:
        roots = {
            prefix: pathlib.Path(directory, prefix.strip(": ") or "ours")
            for prefix in checkouts
        }
        for prefix, checkout in checkouts.items():
            _run(checkout, roots[prefix])
        for turn in range(args.rounds):
            console.say(f"Round {turn + 1} of {args.rounds} ...")
            start = time.perf_counter()
            subprocess.run(
                [sys.executable, "-c", "import tensorflow"],
                check=True,
                stderr=subprocess.DEVNULL,
            )
            seconds.setdefault("import tensorflow", []).append(
                time.perf_counter() - start
            )
            for prefix, checkout in checkouts.items():
                first, whole = _run(checkout, roots[prefix])
                seconds.setdefault(f"{prefix}first component", []).append(first)
                seconds.setdefault(f"{prefix}cached run", []).append(whole)
    _print(seconds)


def _run(checkout: pathlib.Path, root: pathlib.Path) -> tuple[float, float]:
    """Runs a small pipeline; seconds to the first component and to the end."""
    root.mkdir(exist_ok=True)
    flags = {
        "--pipeline-root": root,
        "--data.dataset": "garments",
        "--data.data-dir": root,
        "--data.max-examples": 300,
        "--train.steps": 6,
        "--train.batch-size": 16,
        "--evaluate.num-seeds": 1,
        "--classifier.epochs": 1,
    }
    command = [sys.executable, "-u", "local_runner.py"]
    command += [str(part) for flag in flags.items() for part in flag]
    start = time.perf_counter()
    with subprocess.Popen(
        command, cwd=checkout, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        next(line for line in process.stdout if line.startswith("[1/"))
        first = time.perf_counter() - start
        process.stdout.read()
    if process.returncode:
        sys.exit(f"{checkout / 'local_runner.py'} exited with {process.returncode}")
    return first, time.perf_counter() - start


def _print(seconds: dict[str, list[float]]) -> None:
    contenders = {name: statistics.median(values) for name, values in seconds.items()}
    table = rich.table.Table("", "seconds", "vs. import tensorflow", "vs. baseline")
    for name, median in contenders.items():
        baseline = contenders.get(f"baseline: {name}")
        table.add_row(
            name,
            f"{median:.1f} ({min(seconds[name]):.1f} to {max(seconds[name]):.1f})",
            f"{median / contenders['import tensorflow']:.2f}",
            f"{median / baseline:.2f}" if baseline else "",
        )
    console.console.print(table)


if __name__ == "__main__":
    main()
