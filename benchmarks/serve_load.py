"""Does `msg-gan serve` stay correct under load? `uv run benchmarks/serve_load.py`.

For minutes and without a pause, clients send requests of every kind, some of them
deliberately invalid. New versions with different weights are pushed repeatedly. Valid
responses are compared with what the versions generate in this process, responses to
invalid requests with the expected status; the server's memory is sampled every few
seconds.

It prints a table of requests and one of minutes, and exits with status 1 if a valid
request failed or an invalid one was accepted.
"""

from __future__ import annotations

import collections
import dataclasses
import http.client
import io
import pathlib
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable

import numpy as np
import orjson
import PIL.Image
import rich.table
import tyro

from msg_modules.common import console

_SERVE = "from msg_modules import cli; cli.main()"
_PREDICT = "/v1/models/msg_gan:predict"
_JSON = {"Content-Type": "application/json"}
_MAX_BODY = 100_000
_LATENT_DIM = 16
# Floats are summed in a different order if the batch size differs.
_TOLERANCE = 1e-4


@dataclasses.dataclass(frozen=True)
class Args:
    """Flags of the benchmark."""

    minutes: float = 10.0
    """Duration of the load, in minutes."""

    clients: int = 16
    """Number of concurrent clients."""

    push_seconds: float = 60.0
    """Interval between pushes of new versions, in seconds."""

    versions_kept: int = 2
    """Versions to keep in the serving directory; older ones are deleted."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of request, and the expected response.

    Attributes:
      name: Name in the table.
      method: GET or POST.
      path: Path and query.
      status: Expected status.
      body: Request body.
      headers: Request headers.
      draw: Decodes the response body to a pyramid or picture, to compare with
        `wanted`; None to check the status only.
      wanted: The expected pyramid or picture of each version.
    """

    name: str
    method: str
    path: str
    status: int = 200
    body: bytes | None = None
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    draw: Callable[[bytes], list[np.ndarray]] | None = None
    wanted: tuple[list[np.ndarray], ...] = ()


@dataclasses.dataclass
class Figures:
    """Results of the clients.

    Attributes:
      seconds: Latency of each correct response, by kind of request.
      failures: Descriptions of incorrect responses.
    """

    seconds: dict[str, list[float]] = dataclasses.field(
        default_factory=lambda: collections.defaultdict(list)
    )
    failures: list[str] = dataclasses.field(default_factory=list)


def main() -> None:
    """Runs the load and prints the results."""
    args = tyro.cli(Args, description=__doc__)
    console.quiet_libraries()
    with tempfile.TemporaryDirectory() as directory:
        versions, kinds = _prepare(pathlib.Path(directory))
        serving = pathlib.Path(directory) / "serving"
        _push(versions[0], serving, 1, args.versions_kept)
        figures = _load(args, versions, kinds, serving)
    if figures.failures:
        for failure in figures.failures[:20]:
            console.say(failure)
        console.fail(f"{len(figures.failures)} responses were incorrect.")
        sys.exit(1)


def _prepare(directory: pathlib.Path) -> tuple[list[pathlib.Path], list[Kind]]:
    """Exports generators with different weights, and builds the requests."""
    import keras

    from msg_modules.gan import networks
    from msg_modules.generator import export, sampling

    versions, generators = [], []
    for seed in range(3):
        keras.utils.set_random_seed(seed)
        network, _ = networks.build("compact", _LATENT_DIM)
        versions.append(directory / f"weights_{seed}")
        export.export(network, _LATENT_DIM, str(versions[-1]))
        generators.append(sampling.load_generator(versions[-1]))
    return versions, [*_valid(generators), *_wrong()]


def _valid(generators: list) -> list[Kind]:
    from msg_modules.data.preprocessing import PYRAMID_KEYS
    from msg_modules.pictures import sheets

    def rows(answer: bytes) -> list[np.ndarray]:
        images = orjson.loads(answer)["predictions"]
        return [np.array([image[key] for image in images]) for key in PYRAMID_KEYS]

    def columns(answer: bytes) -> list[np.ndarray]:
        outputs = orjson.loads(answer)["outputs"]
        return [np.array(outputs[key]) for key in PYRAMID_KEYS]

    def picture(answer: bytes) -> list[np.ndarray]:
        return [np.asarray(PIL.Image.open(io.BytesIO(answer)), np.int16) / 127.5]

    latents = np.random.default_rng(0).normal(size=[32, _LATENT_DIM])
    latents = latents.astype(np.float32)

    def predict(
        name: str,
        draw: Callable[[bytes], list[np.ndarray]],
        wanted: list[list[np.ndarray]],
        **content: object,
    ) -> Kind:
        body = orjson.dumps(content)
        return Kind(
            name, "POST", _PREDICT, 200, body, _JSON, draw, wanted=tuple(wanted)
        )

    def drawn(number: int) -> list[list[np.ndarray]]:
        return [list(g.generate(latents[:number])) for g in generators]

    sampled = [g.sample(4, seed=7) for g in generators]
    pictured = [
        [np.asarray(sheets.pyramid_sheet(g.sample(4, seed=7), 4), np.int16) / 127.5]
        for g in generators
    ]
    return [
        predict("1 image, rows", rows, drawn(1), instances=latents[:1].tolist()),
        predict("8 images, columns", columns, drawn(8), inputs=latents[:8].tolist()),
        predict(
            "32 images, rows",
            rows,
            drawn(32),
            instances=[{"latents": row.tolist()} for row in latents],
        ),
        predict(
            "4 images of a seed",
            columns,
            [list(pyramid) for pyramid in sampled],
            signature_name="sample",
            inputs={"num_images": 4, "seed": 7},
        ),
        Kind(
            "PNG of a seed",
            "GET",
            "/sample.png?seed=7&num_images=4",
            draw=picture,
            wanted=tuple(pictured),
        ),
        Kind("state", "GET", "/v1/models/msg_gan"),
        Kind("signatures", "GET", "/v1/models/msg_gan/metadata"),
        Kind("health", "GET", "/healthz"),
        Kind("figures", "GET", "/metrics"),
    ]


def _wrong() -> list[Kind]:
    def post(name: str, status: int, body: bytes, kind: str = _JSON["Content-Type"]):
        return Kind(name, "POST", _PREDICT, status, body, {"Content-Type": kind})

    nan = b'{"instances": [[' + b"NaN," * (_LATENT_DIM - 1) + b"NaN]]}"
    return [
        post("not JSON", 400, b'{"instances": [[0.1, '),
        post("NaN", 400, nan),
        post("wrong latents", 400, b'{"instances": [[0.5, 0.5]]}'),
        post("no latents", 400, b'{"instances": []}'),
        post("a form", 400, b"instances=1", "application/x-www-form-urlencoded"),
        post("too long a body", 413, b" " * (_MAX_BODY + 1)),
        Kind("another model", "GET", "/v1/models/other", 404),
        Kind("a path trick", "GET", "/v1/models/..%2f..%2fetc%2fpasswd", 400),
        Kind("too many images", "GET", "/sample.png?num_images=1000000", 400),
    ]


def _push(
    version: pathlib.Path, serving: pathlib.Path, number: int, versions_kept: int
) -> None:
    """Pushes like the pipeline: copies to a hidden directory, then renames it."""
    serving.mkdir(exist_ok=True)
    beside = serving / f".{number}"
    shutil.copytree(version, beside)
    beside.rename(serving / str(number))
    shutil.rmtree(serving / str(number - versions_kept), ignore_errors=True)


def _load(
    args: Args,
    versions: list[pathlib.Path],
    kinds: list[Kind],
    serving: pathlib.Path,
) -> Figures:
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", _SERVE, "serve", "--model", str(serving)),
            *("--port", "0", "--limits.max-body-bytes", str(_MAX_BODY)),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    figures, stopped = Figures(), threading.Event()
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split("/")[2]
        # Discard further output, so that the server never blocks on a full pipe.
        threading.Thread(target=process.stdout.read, daemon=True).start()
        clients = [
            threading.Thread(
                target=_ask, args=(address, kinds, number, figures, stopped)
            )
            for number in range(args.clients)
        ]
        clients.append(threading.Thread(target=_dawdle, args=(address, stopped)))
        for client in clients:
            client.start()
        try:
            minutes = _watch(args, versions, serving, process, figures)
        finally:
            stopped.set()
            for client in clients:
                client.join()
    finally:
        process.terminate()
        process.wait()
    _print(kinds, figures, minutes)
    return figures


def _watch(
    args: Args,
    versions: list[pathlib.Path],
    serving: pathlib.Path,
    process: subprocess.Popen[str],
    figures: Figures,
) -> list[tuple[int, int, int, list[float]]]:
    """Pushes versions and monitors the server.

    Returns:
      For each minute: pushes, correct responses so far, failures so far, and samples of
      the server's memory in MB.
    """
    began = time.monotonic()
    until, next_push, number = began + 60 * args.minutes, args.push_seconds, 1
    minutes: list[tuple[int, int, int, list[float]]] = []
    while time.monotonic() < until and process.poll() is None:
        minute_ends = began + 60 * (len(minutes) + 1)
        first, memory = number, []
        while time.monotonic() < min(minute_ends, until):
            time.sleep(2)
            memory.append(_megabytes(process.pid))
            if time.monotonic() - began > next_push:
                number += 1
                next_push += args.push_seconds
                _push(
                    versions[(number - 1) % len(versions)],
                    serving,
                    number,
                    args.versions_kept,
                )
        right = sum(len(seconds) for seconds in list(figures.seconds.values()))
        minutes.append((number - first, right, len(figures.failures), memory))
        console.say(
            f"minute {len(minutes)}: version {number}, {right:,} correct responses,"
            f" {len(figures.failures)} failures, {max(memory):,.0f} MB"
        )
    if process.poll() is not None:
        figures.failures.append(f"The server exited with status {process.poll()}.")
    return minutes


def _megabytes(pid: int) -> float:
    """Resident memory of a process, in MB."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024 / 1e6


def _ask(
    address: str,
    kinds: list[Kind],
    number: int,
    figures: Figures,
    stopped: threading.Event,
) -> None:
    choose = random.Random(number)
    connection = http.client.HTTPConnection(address, timeout=60)
    while not stopped.is_set():
        kind = choose.choice(kinds)
        began = time.perf_counter()
        try:
            connection.request(kind.method, kind.path, kind.body, kind.headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as e:
            figures.failures.append(f"{kind.name}: {e!r}")
            connection.close()
            continue
        seconds = time.perf_counter() - began
        if answer.status != kind.status:
            figures.failures.append(
                f"{kind.name}: status {answer.status} instead of {kind.status},"
                f" {content[:200]!r}"
            )
        elif kind.draw and not _is_of_a_version(kind.draw(content), kind.wanted):
            figures.failures.append(f"{kind.name}: images do not match any version")
        else:
            figures.seconds[kind.name].append(seconds)
    connection.close()


def _is_of_a_version(
    answer: list[np.ndarray], wanted: tuple[list[np.ndarray], ...]
) -> bool:
    # Pixels of pictures may be rounded differently by one step of 255.
    tolerance = _TOLERANCE if len(answer) > 1 else 1 / 127
    return any(
        all(
            one.shape == other.shape and np.max(np.abs(one - other)) < tolerance
            for one, other in zip(answer, version, strict=True)
        )
        for version in wanted
    )


def _dawdle(address: str, stopped: threading.Event) -> None:
    """A client that repeatedly disconnects in the middle of a request body."""
    host, port = address.split(":")
    while not stopped.wait(1):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(
                f"POST {_PREDICT} HTTP/1.1\r\nHost: {address}\r\n"
                "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
                '{"instances"'.encode()
            )
            stopped.wait(1)


def _print(
    kinds: list[Kind],
    figures: Figures,
    minutes: list[tuple[int, int, int, list[float]]],
) -> None:
    table = rich.table.Table(title="requests")
    for column in ("", "status", "correct", "p50", "p99"):
        table.add_column(column, justify="left" if not column else "right")
    for kind in kinds:
        seconds = figures.seconds[kind.name]
        half, most = np.percentile(seconds, (50, 99)) * 1000 if seconds else (0, 0)
        table.add_row(
            kind.name,
            str(kind.status),
            f"{len(seconds):,}",
            f"{half:.0f} ms",
            f"{most:.0f} ms",
        )
    console.console.print(table)
    table = rich.table.Table(title="minutes")
    for column in ("minute", "pushed", "correct responses", "failures", "memory, MB"):
        table.add_column(column, justify="right")
    before = 0
    for number, (pushed, right, failures, memory) in enumerate(minutes, 1):
        table.add_row(
            str(number),
            str(pushed),
            f"{right - before:,}",
            str(failures),
            f"{min(memory):,.0f} - {max(memory):,.0f}",
        )
        before = right
    console.console.print(table)


if __name__ == "__main__":
    main()
