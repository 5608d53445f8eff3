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
import sys
import tempfile
import time
import urllib.request

import rich.table
import server
import timing
import tyro

from msg_modules.common import console

_LATENT_DIM = 16
_REQUESTS = 50
_SETTLED = 3
_GROWTH = 0.05
# The server polls, and collects what the old version leaves at the next poll.
_POLL_SECONDS = 0.5
_POLLS = 6


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
    sources = [_export(directory / str(seed), seed) for seed in range(2)]
    version = server.push(sources[0], serving)
    flags = ("--limits.poll-seconds", str(_POLL_SECONDS))
    megabytes = []
    with server.serve(serving, directory / "log", *flags) as served:
        url = f"http://{served.address}"
        for number in range(versions):
            if number:
                version = server.push(sources[number % 2], serving)
            while json.loads(_get(f"{url}/healthz"))["version"] != version:
                time.sleep(0.1)
            for seed in range(_REQUESTS):
                _get(f"{url}/sample.png?num_images=16&seed={seed}")
            megabytes.append(_settled(served))
    return megabytes


def _settled(served: server.Server) -> float:
    """Returns the lowest memory within a few polls, which may be late, in MB."""
    samples = []
    for _ in range(_POLLS):
        time.sleep(_POLL_SECONDS)
        samples.append(served.megabytes())
    return min(samples)


def _export(path: pathlib.Path, seed: int) -> pathlib.Path:
    """Exports a generator that is not trained."""
    import keras

    from msg_modules.gan import networks
    from msg_modules.generator import export

    keras.utils.set_random_seed(seed)
    network, _ = networks.build("compact", _LATENT_DIM, timing.FASHION)
    export.export(network, _LATENT_DIM, str(path))
    return path


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.read()


if __name__ == "__main__":
    main()
