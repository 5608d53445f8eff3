"""Does `msg-gan serve` stay correct under load? `uv run benchmarks/serve_load.py`.

For minutes and without a pause, clients send requests of every kind: valid ones,
invalid ones, and some that raise an unexpected exception in the server, since the graph
of the generator has an assertion that fails for them. Meanwhile, versions with
different weights, and damaged ones, are pushed, rolled back and pruned.

Images are compared with those that the versions generate in this process, errors with
the expected status; the server's memory is sampled every few seconds. In the end, the
server must have counted as many answers of each status as the clients, and logged a
traceback for each status 500.

It prints a table of requests and one of minutes, and exits with status 1 if a response
was not as expected, the counts differ, or the memory kept growing.
"""

from __future__ import annotations

import collections
import dataclasses
import http.client
import io
import itertools
import pathlib
import random
import re
import shutil
import socket
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import orjson
import PIL.Image
import rich.table
import server
import timing
import tyro

from msg_modules.common import console
from msg_modules.generator import version_history

if TYPE_CHECKING:
    import tensorflow as tf

    from msg_modules.generator.sampling import Generator

_PREDICT = "/v1/models/msg_gan:predict"
_JSON = {"Content-Type": "application/json"}
_MAX_BODY = 100_000
_LATENT_DIM = 16
_CLASSES = ("round", "square", "long")
# The generators fail from this latent on.
_TOO_LARGE = 100.0
# How often they are asked to, compared with a kind of valid request.
_FAILING = 0.1
_PUSH, _DAMAGED_PUSH, _ROLLBACK = "pushes", "damaged pushes", "rollbacks"
# After a damaged push, the version that is served still is the one before.
_CHANGES = (_PUSH, _PUSH, _ROLLBACK, _DAMAGED_PUSH, _ROLLBACK)
# Limits on what is printed about versions, and for each status 500.
_LOG_BYTES, _TRACEBACK_BYTES = 100_000, 10_000
_SAMPLE_SECONDS = 2.0
# From this minute on, the memory must not grow by more.
_SETTLED, _GROWTH = 3, 0.1
# The server closes connections that are idle for five seconds.
_REUSED_SECONDS = 2.0
# Floats are summed in a different order if the batch size differs.
_TOLERANCE = 1e-4


@dataclasses.dataclass(frozen=True)
class Args:
    """Flags of the benchmark."""

    minutes: float = 10.0
    """Duration of the load, in minutes."""

    clients: int = 16
    """Number of concurrent clients."""

    change_seconds: float = 15.0
    """Interval between pushes and rollbacks, in seconds."""

    versions_kept: int = 3
    """Versions to keep in the serving directory; older ones are pruned."""


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
      weight: How often it is sent, compared with others.
    """

    name: str
    method: str
    path: str
    status: int = 200
    body: bytes | None = None
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    draw: Callable[[bytes], list[np.ndarray]] | None = None
    wanted: tuple[list[np.ndarray], ...] = ()
    weight: float = 1.0


@dataclasses.dataclass(frozen=True)
class Sources:
    """Directories of the generators to push.

    Attributes:
      whole: Generators with different weights.
      damaged: One that cannot be loaded.
    """

    whole: list[pathlib.Path]
    damaged: pathlib.Path


@dataclasses.dataclass(frozen=True)
class Minute:
    """What happened up to the end of a minute.

    Attributes:
      changes: Numbers of pushes and rollbacks.
      correct: Number of correct responses.
      failures: Number of failures.
      memory: Samples of the server's memory within the minute, in MB.
    """

    changes: collections.Counter[str]
    correct: int
    failures: int
    memory: list[float]


@dataclasses.dataclass
class Figures:
    """Results of the clients.

    Attributes:
      seconds: Latency of each correct response, by kind of request.
      statuses: Numbers of responses, by status.
      failures: Descriptions of incorrect responses, and of whatever else is wrong.
    """

    seconds: dict[str, list[float]] = dataclasses.field(
        default_factory=lambda: collections.defaultdict(list)
    )
    statuses: collections.Counter[str] = dataclasses.field(
        default_factory=collections.Counter
    )
    failures: list[str] = dataclasses.field(default_factory=list)
    lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)

    @property
    def num_correct(self) -> int:
        """Number of correct responses."""
        return sum(len(seconds) for seconds in list(self.seconds.values()))


def main() -> None:
    """Runs the load and prints the results."""
    args = tyro.cli(Args, description=__doc__)
    console.quiet_libraries()
    with tempfile.TemporaryDirectory() as temporary:
        directory = pathlib.Path(temporary)
        sources, kinds = _prepare(directory)
        figures = _load(args, sources, kinds, directory)
    if figures.failures:
        for failure in figures.failures[:20]:
            console.say(failure)
        console.fail(f"There were {len(figures.failures)} failures.")
        sys.exit(1)


def _prepare(directory: pathlib.Path) -> tuple[Sources, list[Kind]]:
    """Exports generators with different weights, and builds the requests."""
    import keras

    from msg_modules.data.class_spec import ClassSpec
    from msg_modules.gan import networks
    from msg_modules.generator import export, sampling

    classes = ClassSpec(_CLASSES, (0.5, 0.3, 0.2))
    whole, generators = [], []
    for seed in range(3):
        keras.utils.set_random_seed(seed)
        network, _ = networks.build(
            "compact", _LATENT_DIM, timing.FASHION, num_classes=len(classes)
        )
        codes = keras.Input([_LATENT_DIM + len(classes)])
        fragile = keras.Model(codes, network(keras.layers.Lambda(_checked)(codes)))
        whole.append(directory / f"weights_{seed}")
        export.export(fragile, _LATENT_DIM, str(whole[-1]), classes)
        generators.append(sampling.load_generator(whole[-1]))
    damaged = directory / "damaged"
    shutil.copytree(whole[0], damaged)
    model = damaged / "saved_model.pb"
    model.write_bytes(model.read_bytes()[: model.stat().st_size // 2])
    return Sources(whole, damaged), [*_valid(generators), *_failing(), *_wrong()]


def _checked(codes: tf.Tensor) -> tf.Tensor:
    """Codes that may be generated from; a graph with others fails when it is run."""
    import tensorflow as tf

    tf.debugging.assert_less(codes, _TOO_LARGE)
    return codes


def _predict(
    name: str,
    status: int,
    draw: Callable[[bytes], list[np.ndarray]] | None = None,
    wanted: Sequence[list[np.ndarray]] = (),
    weight: float = 1.0,
    **content: object,
) -> Kind:
    body = orjson.dumps(content)
    return Kind(
        name, "POST", _PREDICT, status, body, _JSON, draw, tuple(wanted), weight
    )


def _valid(generators: list[Generator]) -> list[Kind]:
    from msg_modules.generator import codes
    from msg_modules.pictures import sheets

    keys = timing.FASHION.shapes

    def rows(answer: bytes) -> list[np.ndarray]:
        images = orjson.loads(answer)["predictions"]
        return [np.array([image[key] for image in images]) for key in keys]

    def columns(answer: bytes) -> list[np.ndarray]:
        outputs = orjson.loads(answer)["outputs"]
        return [np.array(outputs[key]) for key in keys]

    def picture(answer: bytes) -> list[np.ndarray]:
        return [np.asarray(PIL.Image.open(io.BytesIO(answer)), np.int16) / 127.5]

    def pictured(generator: Generator, label: str | None = None) -> list[np.ndarray]:
        sheet = sheets.pyramid_sheet(generator.sample(4, seed=7, label=label), 4)
        return [np.asarray(sheet, np.int16) / 127.5]

    latents = np.random.default_rng(0).normal(size=[32, _LATENT_DIM])
    latents = latents.astype(np.float32)
    labels = np.arange(32) % len(_CLASSES)
    all_codes = codes.to_codes(latents, labels, len(_CLASSES))
    instances = [
        {"latents": row, "labels": label}
        for row, label in zip(latents.tolist(), labels.tolist(), strict=True)
    ]
    inputs = {"latents": latents[:8].tolist(), "labels": labels[:8].tolist()}
    drawn = {"num_images": 4, "seed": 7}

    def images(number: int) -> list[list[np.ndarray]]:
        return [list(g.generate(all_codes[:number])) for g in generators]

    return [
        _predict("1 image, rows", 200, rows, images(1), instances=instances[:1]),
        _predict("8 images, columns", 200, columns, images(8), inputs=inputs),
        _predict("32 images, rows", 200, rows, images(32), instances=instances),
        _predict(
            "4 images of a seed",
            200,
            columns,
            [list(g.sample(4, seed=7)) for g in generators],
            signature_name="sample",
            inputs=drawn,
        ),
        _predict(
            "4 images of a class",
            200,
            columns,
            [list(g.sample(4, seed=7, label=1)) for g in generators],
            signature_name="sample_class",
            inputs={**drawn, "label": 1},
        ),
        Kind(
            "PNG of a seed",
            "GET",
            "/sample.png?seed=7&num_images=4",
            draw=picture,
            wanted=tuple(map(pictured, generators)),
        ),
        Kind(
            "PNG of a class",
            "GET",
            f"/sample.png?seed=7&num_images=4&label={_CLASSES[1]}",
            draw=picture,
            wanted=tuple(pictured(g, _CLASSES[1]) for g in generators),
        ),
        Kind("state", "GET", "/v1/models/msg_gan"),
        Kind("signatures", "GET", "/v1/models/msg_gan/metadata"),
        Kind("health", "GET", "/healthz"),
        Kind("figures", "GET", "/metrics"),
    ]


def _failing() -> list[Kind]:
    inputs = {"latents": [[2 * _TOO_LARGE] * _LATENT_DIM], "labels": [0]}
    return [_predict("a failing graph", 500, weight=_FAILING, inputs=inputs)]


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


def _load(
    args: Args, sources: Sources, kinds: list[Kind], directory: pathlib.Path
) -> Figures:
    """Serves during the load, and then checks what the server says of it."""
    serving, log = directory / "serving", directory / "log"
    server.push(sources.whole[0], serving)
    figures, stopped = Figures(), threading.Event()
    flags = ("--limits.max-body-bytes", str(_MAX_BODY))
    with server.serve(serving, log, *flags) as served:
        clients = [
            threading.Thread(
                target=_ask, args=(served.address, kinds, number, figures, stopped)
            )
            for number in range(args.clients)
        ]
        clients.append(threading.Thread(target=_dawdle, args=(served.address, stopped)))
        for client in clients:
            client.start()
        try:
            minutes = _watch(args, sources, serving, served, figures)
        finally:
            stopped.set()
            for client in clients:
                client.join()
        if served.is_running():
            _check_metrics(served.address, figures)
        else:
            figures.failures.append("The server ended.")
    _check_log(log.read_text(), figures)
    _check_memory(minutes, figures)
    _print(kinds, figures, minutes)
    return figures


def _watch(
    args: Args,
    sources: Sources,
    serving: pathlib.Path,
    served: server.Server,
    figures: Figures,
) -> list[Minute]:
    """Changes what is served and monitors the server, until the end of the load."""
    began = time.monotonic()
    until, next_change = began + 60 * args.minutes, began + args.change_seconds
    changes = _change(sources, serving, args.versions_kept)
    done: collections.Counter[str] = collections.Counter()
    minutes: list[Minute] = []
    while time.monotonic() < until and served.is_running():
        minute_ends = min(until, began + 60 * (len(minutes) + 1))
        memory = [served.megabytes()]
        while time.monotonic() < minute_ends and served.is_running():
            if time.monotonic() > next_change:
                done[next(changes)] += 1
                next_change += args.change_seconds
            time.sleep(_SAMPLE_SECONDS)
            memory.append(served.megabytes())
        minute = Minute(done.copy(), figures.num_correct, len(figures.failures), memory)
        minutes.append(minute)
        console.say(
            f"minute {len(minutes)}: {minute.correct:,} correct responses,"
            f" {minute.failures} failures, {max(memory):,.0f} MB"
        )
    return minutes


def _change(
    sources: Sources, serving: pathlib.Path, versions_kept: int
) -> Iterator[str]:
    """Changes what is served each time it is advanced; yields what it has done."""
    whole = itertools.cycle(sources.whole)
    for change in itertools.cycle(_CHANGES):
        if change == _ROLLBACK:
            version_history.rollback(serving, None)
        else:
            source = sources.damaged if change == _DAMAGED_PUSH else next(whole)
            server.push(source, serving)
        version_history.prune(serving, versions_kept)
        yield change


def _check_metrics(address: str, figures: Figures) -> None:
    """Compares the server's counts of answers with those of the clients."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=60) as answer:
        text = answer.read().decode()
    counted: collections.Counter[str] = collections.Counter()
    for status, count in re.findall(
        r'^msg_gan_requests_total{.*status="(\d+)"} (\S+)$', text, re.MULTILINE
    ):
        counted[status] += round(float(count))
    if counted != figures.statuses:
        figures.failures.append(
            f"/metrics has counted {dict(counted)}, the clients"
            f" {dict(figures.statuses)}."
        )


def _check_log(log: str, figures: Figures) -> None:
    """Checks that the log has a traceback for each status 500, and not much more."""
    failed = figures.statuses["500"]
    for what, found in (
        ("failed requests", len(re.findall("POST '.*' failed$", log, re.MULTILINE))),
        ("tracebacks", log.count("Traceback (most recent call last):")),
    ):
        if found != failed:
            figures.failures.append(
                f"The log has {found} {what}, but {failed} answers had status 500."
            )
    console.say(f"log: {failed} tracebacks, {len(log) / 1e3:,.0f} kB")
    if len(log) > _LOG_BYTES + _TRACEBACK_BYTES * failed:
        figures.failures.append(f"The log has {len(log):,} bytes.")


def _check_memory(minutes: list[Minute], figures: Figures) -> None:
    if len(minutes) <= _SETTLED:
        return
    settled, last = (max(minutes[i].memory) for i in (_SETTLED - 1, -1))
    if last > (1 + _GROWTH) * settled:
        figures.failures.append(
            f"Memory grew from {settled:,.0f} MB in minute {_SETTLED} to {last:,.0f}."
        )


def _ask(
    address: str,
    kinds: list[Kind],
    number: int,
    figures: Figures,
    stopped: threading.Event,
) -> None:
    choose, weights = random.Random(number), [kind.weight for kind in kinds]
    connection = http.client.HTTPConnection(address, timeout=60)
    began = time.perf_counter()
    while not stopped.is_set():
        (kind,) = choose.choices(kinds, weights)
        if time.perf_counter() - began > _REUSED_SECONDS:
            connection.close()
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
        with figures.lock:
            figures.statuses[str(answer.status)] += 1
        if answer.status != kind.status:
            figures.failures.append(
                f"{kind.name}: status {answer.status} instead of {kind.status},"
                f" {content[:200]!r}"
            )
        elif kind.status >= 400 and set(orjson.loads(content)) != {"error"}:
            figures.failures.append(f"{kind.name}: no error in {content[:200]!r}")
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


def _print(kinds: list[Kind], figures: Figures, minutes: list[Minute]) -> None:
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
    counts = (_PUSH, _DAMAGED_PUSH, _ROLLBACK)
    for column in ("minute", *counts, "correct responses", "failures", "memory, MB"):
        table.add_column(column, justify="right")
    for number, minute in enumerate(minutes, 1):
        table.add_row(
            str(number),
            *(str(minute.changes[change]) for change in counts),
            f"{minute.correct:,}",
            str(minute.failures),
            f"{min(minute.memory):,.0f} - {max(minute.memory):,.0f}",
        )
    console.console.print(table)


if __name__ == "__main__":
    main()
