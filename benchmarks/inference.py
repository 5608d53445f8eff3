"""How fast is a pushed generator? `uv run benchmarks/inference.py`.

A network with fresh weights is exported and sampled in several ways, in alternating
turns, so that drifting machine speed affects all of them equally:

- `SavedModel`: the signature `serving_default`, as TensorFlow Serving runs it;
- `Keras predict` and `Keras call`: the same network before export;
- `ONNX Runtime`: the file written by `msg-gan export --format onnx`;
- `LiteRT`: the files written by `msg-gan export --format tflite`, one per batch size,
  with as many threads as the machine has cores.

It prints the file sizes, and for each batch size images per second, the latency of a
call (median and 99th percentile), and the throughput relative to Keras `predict`. Then
clients send requests to `msg-gan serve`, and their throughput is compared with that of
the SavedModel.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import http.client
import os
import pathlib
import tempfile
import time
from collections.abc import Callable
from typing import Literal

import numpy as np
import orjson
import rich.table
import server
import timing
import tyro

from msg_modules.common import console


@dataclasses.dataclass(frozen=True)
class Args:
    """Flags of the benchmark."""

    network: Literal["compact", "tutorial"] = "compact"
    """Network to benchmark."""

    latent_dim: int = 16
    """Length of a latent vector."""

    batch_sizes: tuple[int, ...] = (1, 8, 64, 512)
    """Batch sizes: images per call."""

    rounds: int = 5
    """Number of turns per contender."""

    seconds: float = 2.0
    """Minimum duration of a turn, in seconds."""

    clients: int = 32
    """Number of concurrent clients of the server."""

    client_images: tuple[int, ...] = (8, 64)
    """Images per client request."""


Draw = Callable[[np.ndarray], object]


def main() -> None:
    """Measures and prints the tables."""
    args = tyro.cli(Args, description=__doc__)
    console.quiet_libraries()
    with tempfile.TemporaryDirectory() as directory:
        serving = pathlib.Path(directory)
        ways = _prepare(args, serving)
        for batch_size in args.batch_sizes:
            _compare(args, ways, batch_size)
        _ask_server(args, ways["SavedModel"], serving)


def _prepare(args: Args, serving: pathlib.Path) -> dict[str, Draw]:
    import onnxruntime
    from ai_edge_litert import interpreter

    from msg_modules.gan import networks
    from msg_modules.generator import conversion, export, sampling

    network, _ = networks.build(args.network, args.latent_dim, timing.FASHION)
    export.export(network, args.latent_dim, str(serving / "1"))
    generator = sampling.load_generator(serving)
    onnx = conversion.to_onnx(serving / "1")
    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    litert = {
        batch_size: conversion.to_litert(serving / "1", batch_size)
        for batch_size in args.batch_sizes
    }
    runners = {
        batch_size: interpreter.Interpreter(
            model_content=content, num_threads=os.cpu_count()
        ).get_signature_runner("serving_default")
        for batch_size, content in litert.items()
    }
    sizes = {
        "SavedModel": sum(p.stat().st_size for p in serving.rglob("*") if p.is_file()),
        "ONNX": len(onnx),
        "LiteRT": len(litert[args.batch_sizes[0]]),
    }
    console.say(", ".join(f"{name} {size:,} bytes" for name, size in sizes.items()))
    return {
        "SavedModel": generator.generate,
        "Keras predict": lambda latents: network.predict(
            latents, batch_size=len(latents), verbose=0
        ),
        "Keras call": lambda latents: [
            scale.numpy() for scale in network(latents, training=False)
        ],
        "ONNX Runtime": lambda latents: session.run(None, {"latents": latents}),
        "LiteRT": lambda latents: runners[len(latents)](latents=latents),
    }


def _latents(args: Args, number: int) -> np.ndarray:
    drawn = np.random.default_rng(0).normal(size=[number, args.latent_dim])
    return drawn.astype(np.float32)


def _compare(args: Args, ways: dict[str, Draw], batch_size: int) -> None:
    latents = _latents(args, batch_size)
    rates: dict[str, list[float]] = {name: [] for name in ways}
    calls: dict[str, list[float]] = {name: [] for name in ways}
    for draw in ways.values():
        draw(latents)
    for _ in range(args.rounds):
        for name, draw in ways.items():
            seconds = _turn(args, draw, latents)
            rates[name].append(batch_size * len(seconds) / sum(seconds))
            calls[name] += seconds
    table = rich.table.Table(title=f"{args.network}, batch {batch_size}")
    columns = ("", "images/s: min / median / max", "p50", "p99", "vs. Keras predict")
    for column in columns:
        table.add_column(column)
    for name in ways:
        half, most = (1000 * np.percentile(calls[name], share) for share in (50, 99))
        ratio = timing.ratios(rates[name], rates["Keras predict"])
        table.add_row(
            name,
            timing.spread(rates[name], ",.0f"),
            f"{half:.2f} ms",
            f"{most:.2f} ms",
            timing.spread(ratio, ".2f"),
        )
    console.console.print(table)


def _turn(args: Args, draw: Draw, latents: np.ndarray) -> list[float]:
    """Returns the duration of each call in a turn, in seconds."""
    seconds: list[float] = []
    while sum(seconds) < args.seconds:
        began = time.perf_counter()
        draw(latents)
        seconds.append(time.perf_counter() - began)
    return seconds


def _ask_server(args: Args, draw: Draw, serving: pathlib.Path) -> None:
    latents = _latents(args, 64)
    with server.serve(serving, serving / "log") as served:
        for client_images in args.client_images:
            inside, outside = [], []
            for _ in range(args.rounds):
                seconds = _turn(args, draw, latents)
                inside.append(64 * len(seconds) / sum(seconds))
                outside.append(_clients(args, served.address, client_images))
            console.say(
                f"{args.clients} clients on the same machine, {client_images} images"
                f" per request: {timing.spread(outside, ',.0f')} images/s,"
                f" {timing.spread(timing.ratios(outside, inside), '.2f')} of the"
                " SavedModel's throughput at batch size 64"
            )


def _clients(args: Args, address: str, client_images: int) -> float:
    """Total throughput of all clients, in images per second."""
    body = orjson.dumps({"inputs": _latents(args, client_images).tolist()})
    until = time.perf_counter() + args.seconds

    def ask(_: int) -> int:
        connection = http.client.HTTPConnection(address)
        count = 0
        while time.perf_counter() < until:
            headers = {"Content-Type": "application/json"}
            path = "/v1/models/msg_gan:predict"
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200
            count += client_images
        connection.close()
        return count

    began = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(args.clients) as pool:
        count = sum(pool.map(ask, range(args.clients)))
    return count / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
