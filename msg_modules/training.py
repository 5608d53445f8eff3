"""The training loop: steps, reports, samples and checkpoints."""

from __future__ import annotations

import contextlib
import math
import pathlib
import time
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from msg_modules import checkpoints, console, dataset, sheets
from msg_modules.configs import ModelConfig, TrainConfig
from msg_modules.distribution import make_strategy, team_of, working_directory
from msg_modules.errors import Interrupted, RunError
from msg_modules.gan import METRICS, Gan
from msg_modules.reporting import Reporter

# How long the steps between two looks at the clock may take: a progress bar
# moves and Ctrl-C is answered this often.
_SECONDS_PER_CALL = 1.0
_SHEET_IMAGES = 40


def train(
    model: ModelConfig,
    config: TrainConfig,
    pyramids: Sequence[np.ndarray],
    work_dir: pathlib.Path,
) -> Gan:
    """Trains a GAN, or goes on with what an interrupted call left.

    Args:
      model: The networks.
      config: The recipe.
      pyramids: The training images, `[num_images, size, size, 1]` in [-1, 1],
        smallest scale first.
      work_dir: Gets `checkpoints/`, `stats.jsonl`, `tensorboard/`, `samples/`.

    Returns:
      The trained networks.

    Raises:
      ConfigError: If the replicas cannot be had.
      RunError: If there are fewer images than a batch, a loss is not finite, or
        another process of the job was lost.
    """
    strategy = make_strategy(config.strategy, config.replicas)
    with working_directory(config.strategy, work_dir) as own_dir:
        return _train(model, config, pyramids, own_dir, strategy)


def _train(
    model: ModelConfig,
    config: TrainConfig,
    pyramids: Sequence[np.ndarray],
    work_dir: pathlib.Path,
    strategy: tf.distribute.Strategy,
) -> Gan:
    team = team_of(strategy)
    num_replicas = strategy.num_replicas_in_sync
    with strategy.scope():
        gan = Gan(model, config, num_replicas)
    kept = checkpoints.Checkpoints(gan, work_dir)
    kept.restore(up_to=config.steps)
    team.copy_from_chief(gan)
    step = int(gan.step.numpy())
    if step:
        console.say(f"  resuming from step {step:,} of {config.steps:,}")
    batches = iter(
        strategy.distribute_datasets_from_function(
            lambda context: dataset.training_dataset(
                pyramids,
                replica_batch_size=config.batch_size,
                num_replicas=num_replicas,
                seed=config.seed,
                first_step=step,
                context=context,
            )
        )
    )
    run_steps = compile_steps(strategy, gan, config)
    samples = sheets.SampleSheets(
        work_dir / "samples", _SHEET_IMAGES, model.latent_dim, config.seed
    )
    samples.drop_after(step)
    samples.draw_real(pyramids)

    seconds_per_step = math.inf
    sums, since, began = np.zeros(len(METRICS)), step, time.monotonic()
    with (
        _saved_if_interrupted(gan, kept),
        Reporter(work_dir, gan.global_batch_size, first_step=step) as reporter,
        console.progress("training", config.steps, step) as show,
    ):
        while step < config.steps:
            next_event = min(
                config.steps,
                *(
                    (step // every + 1) * every
                    for every in (
                        config.report_every,
                        config.sample_every,
                        config.checkpoint_every,
                    )
                ),
            )
            count = team.agree(
                max(
                    1, min(next_event - step, int(_SECONDS_PER_CALL / seconds_per_step))
                )
            )
            start = time.monotonic()
            sums += run_steps(batches, tf.constant(count)).numpy()
            seconds_per_step = (time.monotonic() - start) / count
            step += count
            show(step)
            if not np.all(np.isfinite(sums)):
                names = [
                    name
                    for name, value in zip(METRICS, sums, strict=True)
                    if not np.isfinite(value)
                ]
                raise RunError(_diverged(names, since, step, work_dir))
            at_end = step == config.steps
            if step % config.report_every == 0 or at_end:
                reporter.report(step, sums / (step - since), time.monotonic() - began)
                sums, since, began = np.zeros(len(METRICS)), step, time.monotonic()
            if step % config.sample_every == 0:
                samples.draw(gan.ema_generator, step)
            if step % config.checkpoint_every == 0 or at_end:
                # A loss is taken before its step: the last one may have ruined
                # the weights.
                if not gan.is_finite():
                    raise RunError(_diverged(["a weight"], since, step, work_dir))
                kept.save()
    samples.draw(gan.ema_generator, step)
    return gan


@contextlib.contextmanager
def _saved_if_interrupted(gan: Gan, kept: checkpoints.Checkpoints) -> Iterator[None]:
    """Keeps the steps since the last checkpoint when a person stops the run."""
    try:
        yield
    except (Interrupted, KeyboardInterrupt) as e:
        # Raised while another error was handled, such as that of a lost process, it
        # may have come in the middle of a step.
        if e.__context__ is None and gan.is_finite():
            kept.save()
        raise


def compile_steps(
    strategy: tf.distribute.Strategy, gan: Gan, config: TrainConfig
) -> tf.types.experimental.PolymorphicFunction:
    """Makes the function that runs many steps without coming back to Python.

    Args:
      strategy: Where the replicas run.
      gan: What is trained.
      config: The recipe.

    Returns:
      A function of the iterator over batches and the number of steps, int32. It
      returns the sum over the steps of each of `gan.METRICS`.
    """

    @tf.function
    def run_steps(
        batches: tf.distribute.DistributedIterator, count: tf.Tensor
    ) -> tf.Tensor:
        sums = tf.zeros([len(METRICS)])
        for _ in tf.range(count):
            images = next(batches)
            if config.r1_gamma > 0 and gan.step % config.r1_interval == 0:
                shares = strategy.run(gan.replica_step, (images, True))
            else:
                shares = strategy.run(gan.replica_step, (images, False))
            sums += strategy.reduce(tf.distribute.ReduceOp.SUM, shares, axis=None)
            gan.step.assign_add(1)
            gan.update_average()
        return sums

    return run_steps


def _diverged(
    names: Sequence[str], since: int, step: int, work_dir: pathlib.Path
) -> str:
    return (
        f"{' and '.join(names)} became NaN or infinite between steps {since} and"
        f" {step}; use a lower --train.generator-learning-rate and"
        " --train.discriminator-learning-rate. The last good checkpoint is kept in"
        f" {work_dir}."
    )
