"""How fast is a training step? `uv run benchmarks/train_step.py`.

These train in alternating turns, each in its own process, so that drifting machine
speed affects all of them equally:

- `article`: the article's networks in a loop written as the article describes it, with
  TensorFlow's defaults;
- `article, oneDNN`: the same with oneDNN's convolutions, which this project enables
  even where TensorFlow does not;
- `tutorial`: the same networks in this project's loop;
- `tutorial, bfloat16`: with `--train.precision bfloat16`;
- `compact` and `compact, bfloat16`: this project's networks in its loop;
- `compact, no input`: the same on a single batch in memory, to show the cost of the
  input pipeline.

For each it prints images per second, throughput ratios by round, and the share of the
machine's peak, measured by a large matrix product in the same rounds. Only the
operations of convolutions and matrix products are counted. `--variants` adds XLA for
`compact`, which was tried but is not used.
"""

from __future__ import annotations

import dataclasses
import multiprocessing.connection
import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import timing
import tyro

from msg_modules.common import console

if TYPE_CHECKING:
    import keras

# Runs a number of training steps.
Run = Callable[[int], Any]


@dataclasses.dataclass(frozen=True)
class Args:
    """Flags of the benchmark."""

    batch_size: int = 64
    """Images per step."""

    rounds: int = 5
    """Number of turns per contender."""

    seconds: float = 10.0
    """Minimum duration of a turn, in seconds."""

    variants: bool = False
    """Also measure XLA."""


def main() -> None:
    """Measures and prints the table."""
    args = tyro.cli(Args, description=__doc__)
    names = [
        "article",
        "article, oneDNN",
        "tutorial",
        "compact",
        "compact, no input",
        "tutorial, bfloat16",
        "compact, bfloat16",
        *(["compact, XLA"] if args.variants else []),
    ]
    contenders: dict[str, _Contender] = {}
    rates: dict[str, list[float]] = {name: [] for name in names}
    peaks: list[float] = []
    try:
        for name in names:
            console.say(f"preparing {name}")
            contenders[name] = _Contender(name, args)
        for _ in range(args.rounds):
            peaks.append(contenders["compact"].peak())
            for name, contender in contenders.items():
                rates[name].append(contender.images_per_second())
    finally:
        for contender in contenders.values():
            contender.stop()
    _print(args, rates, peaks, {n: c.flops for n, c in contenders.items()})


def _print(
    args: Args,
    rates: dict[str, list[float]],
    peaks: list[float],
    flops: dict[str, float],
) -> None:
    import rich.table

    table = rich.table.Table(
        title=f"Training steps of {args.batch_size} images, {args.rounds} rounds:"
        " min / median / max",
        title_justify="left",
    )
    for column in ("", "images/s", "vs. article", "vs. article, oneDNN", "of peak"):
        table.add_column(column, justify="right" if column else "left")
    for name, seen in rates.items():
        table.add_row(
            name,
            timing.spread(seen, ".0f"),
            *(
                timing.spread(timing.ratios(seen, rates[base]), ".2f")
                for base in ("article", "article, oneDNN")
            ),
            timing.spread(
                [r * flops[name] / p for r, p in zip(seen, peaks, strict=True)], ".0%"
            ),
        )
    console.console.print(table)
    console.say(
        f"Peak of a matrix product: {timing.spread([p / 1e9 for p in peaks], '.0f')}"
        " GFLOP/s. MFLOP per image:"
        f" {', '.join(f'{n} {flops[n] / 1e6:.0f}' for n in ('tutorial', 'compact'))}."
    )
    waits = timing.ratios(rates["compact, no input"], rates["compact"])
    console.say(
        "A step with the input pipeline takes"
        f" {statistics.median(waits) - 1:+.1%} longer than one on a batch in memory."
    )


class _Contender:
    """A process that trains on command."""

    def __init__(self, name: str, args: Args):
        self._seconds = args.seconds
        self._connection, self._process = timing.start(
            _serve, (name, args.batch_size), with_onednn=name != "article"
        )
        self.flops: float = self._connection.recv()

    def images_per_second(self) -> float:
        """Trains for a turn; returns the throughput."""
        return self._ask(self._seconds)

    def peak(self) -> float:
        """Floating-point operations per second of a large matrix product."""
        return self._ask("peak")

    def stop(self) -> None:
        """Kills the process."""
        self._process.kill()
        self._process.join()

    def _ask(self, what: object) -> float:
        self._connection.send(what)
        return self._connection.recv()


def _serve(
    connection: multiprocessing.connection.Connection, name: str, batch_size: int
) -> None:
    """Main loop of a process: trains for a time, or measures the peak."""
    console.quiet_libraries()
    run, networks = _build(name, batch_size)
    run(2)  # traces, and lets the caches fill
    connection.send(_flops(*networks))
    while True:
        what = connection.recv()
        if what == "peak":
            connection.send(_peak_flops())
            continue
        start, steps = time.perf_counter(), 0
        while time.perf_counter() - start < what:
            run(2)
            steps += 2
        connection.send(batch_size * steps / (time.perf_counter() - start))


def _build(name: str, batch_size: int) -> tuple[Run, tuple[keras.Model, keras.Model]]:
    import tensorflow as tf

    from msg_modules.configs import ModelConfig, TrainConfig

    images = timing.noise_examples()
    if name.startswith("article"):
        import article

        theirs = article.Training(images, batch_size)
        return theirs.run, (theirs.generator, theirs.discriminator)
    import ours

    network, _, variant = name.partition(", ")
    model, recipe = ModelConfig(), TrainConfig(batch_size=batch_size)
    if network == "tutorial":
        model = ModelConfig("tutorial", 100)
        recipe = dataclasses.replace(
            recipe, beta_1=0.9, beta_2=0.999, r1_gamma=0.0, ema_half_life=0
        )
    if variant == "bfloat16":
        recipe = dataclasses.replace(recipe, precision="bfloat16")
    training = ours.Training(images, model, recipe, in_memory=variant == "no input")
    gan = training.gan
    if variant == "XLA":
        gan.replica_step = tf.function(gan.replica_step, jit_compile=True)
    return training.run, (gan.generator, gan.discriminator)


def _flops(generator: keras.Model, discriminator: keras.Model) -> float:
    """Floating-point operations of a step, per image.

    A backward pass costs twice a forward pass. The discriminator processes two images
    per generated image; a single backward pass through it serves both losses.
    """
    return 2 * 3 * (_products(generator) + 2 * _products(discriminator))


def _products(network: keras.Model) -> float:
    """Multiplications in a forward pass of one image, in layers with a kernel."""
    import keras
    import numpy as np

    total = 0
    for layer in network.layers:
        if isinstance(layer, keras.layers.Conv2DTranspose):
            total += np.prod(layer.kernel.shape) * np.prod(layer.input.shape[1:3])
        elif isinstance(layer, keras.layers.Conv2D):
            total += np.prod(layer.kernel.shape) * np.prod(layer.output.shape[1:3])
        elif isinstance(layer, keras.layers.Dense):
            total += np.prod(layer.kernel.shape)
    return float(total)


def _peak_flops(size: int = 3000) -> float:
    """Peak FLOP/s, measured by a large matrix product."""
    import tensorflow as tf

    a = tf.random.normal([size, size])
    best = 0.0
    for _ in range(5):
        start = time.perf_counter()
        _ = tf.matmul(a, a)[0, 0].numpy()
        best = max(best, 2 * size**3 / (time.perf_counter() - start))
    return best


if __name__ == "__main__":
    main()
