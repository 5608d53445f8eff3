"""How quick is a training step? `uv run benchmarks/train_step.py`.

Three ways to train take turns in one process, so that a machine whose speed drifts
is as fair to one as to the other:

- `article`: the article's networks in a loop written as the article describes it;
- `tutorial`: the same networks in this project's loop;
- `compact`: this project's networks in its loop.

For each it prints images per second, the ratio to `article` round by round, and the
share of the machine's peak, which a large matrix product measures in the same run.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable

import tyro

from msg_modules import console


@dataclasses.dataclass(frozen=True)
class Args:
    """Flags of the benchmark."""

    batch_size: int = 64
    """Images in a step."""

    rounds: int = 5
    """How often each takes its turn."""

    seconds: float = 10.0
    """How long a turn lasts at the least."""


def main() -> None:
    """Measures and prints the table."""
    args = tyro.cli(Args, description=__doc__)
    console.quiet_libraries()
    import rich.table

    contenders = _contenders(args.batch_size)
    flops = {
        name: _flops(trace) / args.batch_size for name, (_, trace) in contenders.items()
    }
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    peaks: list[float] = []
    for run, _ in contenders.values():
        run(2)  # traces, and lets the caches fill
    for _ in range(args.rounds):
        peaks.append(_peak_flops())
        for name, (run, _) in contenders.items():
            rates[name].append(args.batch_size * _steps_per_second(run, args.seconds))

    table = rich.table.Table(
        title=f"Training steps of {args.batch_size} images, {args.rounds} rounds:"
        " min / median / max",
        title_justify="left",
    )
    for column in (
        "",
        "images/s",
        "ratio to article",
        "MFLOP per image",
        "share of peak",
    ):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    for name, seen in rates.items():
        ratios = [a / b for a, b in zip(seen, rates["article"], strict=True)]
        share = [
            rate * flops[name] / peak for rate, peak in zip(seen, peaks, strict=True)
        ]
        table.add_row(
            name,
            _spread(seen, ".0f"),
            _spread(ratios, ".2f"),
            f"{flops[name] / 1e6:.0f}",
            _spread(share, ".0%"),
        )
    console.console.print(table)
    console.say(
        f"Peak by a matrix product: {_spread([p / 1e9 for p in peaks], '.0f')} GFLOP/s"
    )


def _spread(values: list[float], form: str) -> str:
    parts = (min(values), statistics.median(values), max(values))
    return " / ".join(format(value, form) for value in parts)


def _steps_per_second(run: Callable[[int], None], seconds: float) -> float:
    start, steps = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        run(2)
        steps += 2
    return steps / (time.perf_counter() - start)


def _contenders(batch_size: int) -> dict[str, tuple[Callable, Callable]]:
    """For each: a function that runs so many steps, and a step to count FLOPs of."""
    import numpy as np

    from msg_modules.configs import ModelConfig, TrainConfig

    images = tuple(
        np.random.default_rng(0)
        .uniform(-1, 1, [1024, size, size, 1])
        .astype(np.float32)
        for size in (7, 14, 28)
    )
    tutorial = TrainConfig(
        batch_size=batch_size, beta_1=0.9, beta_2=0.999, r1_gamma=0.0, ema_half_life=0
    )
    return {
        "article": _article(images, batch_size),
        "tutorial": _ours(images, ModelConfig("tutorial", 100), tutorial),
        "compact": _ours(images, ModelConfig(), TrainConfig(batch_size=batch_size)),
    }


def _article(images, batch_size: int) -> tuple[Callable, Callable]:
    """The loop as a reader of the article writes it, step by step from Python."""
    import keras
    import tensorflow as tf

    from msg_modules import models

    generator, discriminator = models.build("tutorial", latent_dim=100)
    generator_optimizer = keras.optimizers.Adam(1e-3)
    discriminator_optimizer = keras.optimizers.Adam(1e-3)
    cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)

    @tf.function
    def train_step(real: tuple[tf.Tensor, ...]) -> tuple[tf.Tensor, tf.Tensor]:
        noise = tf.random.normal([batch_size, 100])
        with (
            tf.GradientTape() as generator_tape,
            tf.GradientTape() as discriminator_tape,
        ):
            generated = generator(noise, training=True)
            real_output = discriminator(list(real), training=True)
            fake_output = discriminator(generated, training=True)
            generator_loss = cross_entropy(tf.ones_like(fake_output), fake_output)
            discriminator_loss = cross_entropy(
                tf.ones_like(real_output), real_output
            ) + cross_entropy(tf.zeros_like(fake_output), fake_output)
        generator_optimizer.apply_gradients(
            zip(
                generator_tape.gradient(generator_loss, generator.trainable_variables),
                generator.trainable_variables,
                strict=True,
            )
        )
        discriminator_optimizer.apply_gradients(
            zip(
                discriminator_tape.gradient(
                    discriminator_loss, discriminator.trainable_variables
                ),
                discriminator.trainable_variables,
                strict=True,
            )
        )
        return generator_loss, discriminator_loss

    batches = iter(
        tf.data.Dataset.from_tensor_slices(images)
        .shuffle(len(images[0]))
        .repeat()
        .batch(batch_size, drop_remainder=True)
        .prefetch(tf.data.AUTOTUNE)
    )

    def run(steps: int) -> None:
        for _ in range(steps):
            losses = train_step(next(batches))
        _ = losses[0].numpy()

    return run, lambda: train_step.get_concrete_function(next(batches))


def _ours(images, model, train) -> tuple[Callable, Callable]:
    """The project's loop, input included."""
    import tensorflow as tf

    from msg_modules import dataset, training
    from msg_modules.gan import Gan

    strategy = tf.distribute.get_strategy()
    gan = Gan(model, train, num_replicas=1)
    batches = iter(
        dataset.training_dataset(
            images, replica_batch_size=train.batch_size, num_replicas=1, seed=0
        )
    )
    run_steps = training.compile_steps(strategy, gan, train)

    def run(steps: int) -> None:
        _ = run_steps(batches, tf.constant(steps)).numpy()

    step = tf.function(lambda pyramid: gan.replica_step(pyramid, with_penalty=False))
    return run, lambda: step.get_concrete_function(next(batches))


def _flops(trace: Callable) -> float:
    """Floating-point operations of one step, as TensorFlow's profiler counts them."""
    import tensorflow as tf

    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    graph = trace().graph
    return tf.compat.v1.profiler.profile(graph, options=options).total_float_ops


def _peak_flops(size: int = 3000) -> float:
    """What a large matrix product reaches."""
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
