"""Does `msg-gan serve` release old versions? `uv run benchmarks/serve_versions.py`.

Pushes versions with different weights one after another. After each push it waits until
the server has switched, requests images, and samples the server's memory.

It prints a row per version, and exits with status 1 if the memory after any version is
more than 5% above that after the third.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

import rich.table
import tyro

from msg_modules.common import console

_SERVE = "from msg_modules import cli; cli.main()"
_LATENT_DIM = 16
_REQUESTS = 50
_SETTLED = 3
_GROWTH = 0.05
# The server polls, and collects what the old version leaves at the next poll.
_POLL_SECONDS = 0.5


@dataclasses.dataclass(frozen=True)
class Args:
    """Flags of the benchmark."""

    versions: int = 20
    """Number of versions to push."""


def main() -> None:
    """Pushes the versions and prints the memory."""
    args = tyro.cli(Args, description=__doc__)
    console.quiet_libraries()
    with tempfile.TemporaryDirectory() as directory:
        megabytes = _measure(pathlib.Path(directory), args.versions)
    settled = megabytes[_SETTLED - 1]
    table = rich.table.Table("version", "memory, MB", f"of version {_SETTLED}")
    for number, memory in enumerate(megabytes, 1):
        table.add_row(str(number), f"{memory:,.0f}", f"{memory / settled:.3f}")
    console.console.print(table)
    if max(megabytes[_SETTLED:]) > (1 + _GROWTH) * settled:
        console.fail(f"The memory grew by more than {_GROWTH:.0%}.")
        sys.exit(1)


def _measure(directory: pathlib.Path, versions: int) -> list[float]:
    """Serves one version after another; returns the memory after each, in MB."""
    serving = directory / "serving"
    serving.mkdir()
    sources = [_export(directory / str(seed), seed) for seed in range(2)]
    _push(sources[0], serving, 1)
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", _SERVE, "serve", "--model", str(serving)),
            *("--port", "0", "--limits.poll-seconds", str(_POLL_SECONDS)),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = "http://" + process.stdout.readline().split("/")[2]
        megabytes = []
        for number in range(1, versions + 1):
            if number > 1:
                _push(sources[number % 2], serving, number)
            while json.loads(_get(f"{url}/healthz"))["version"] != str(number):
                time.sleep(0.1)
            for seed in range(_REQUESTS):
                _get(f"{url}/sample.png?num_images=16&seed={seed}")
            time.sleep(3 * _POLL_SECONDS)
            megabytes.append(_megabytes(process.pid))
        return megabytes
    finally:
        process.terminate()
        process.wait()


def _export(path: pathlib.Path, seed: int) -> pathlib.Path:
    """Exports a generator that is not trained."""
    import keras

    from msg_modules.gan import networks
    from msg_modules.generator import export

    keras.utils.set_random_seed(seed)
    network, _ = networks.build("compact", _LATENT_DIM)
    export.export(network, _LATENT_DIM, str(path))
    return path


def _push(source: pathlib.Path, serving: pathlib.Path, number: int) -> None:
    """Pushes like the pipeline: copies to a hidden directory, then renames it."""
    beside = serving / f".{number}"
    shutil.copytree(source, beside)
    beside.rename(serving / str(number))


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.read()


def _megabytes(pid: int) -> float:
    """Resident memory of a process, in MB."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024 / 1e6


if __name__ == "__main__":
    main()
