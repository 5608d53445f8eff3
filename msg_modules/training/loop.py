"""The training loop: steps, reports, samples and checkpoints."""

from __future__ import annotations

import math
import pathlib
import time
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from msg_modules.common import console, signals
from msg_modules.common.errors import RunError
from msg_modules.configs import ModelConfig, TrainConfig
from msg_modules.data.batches import training_dataset
from msg_modules.data.class_spec import ClassSpec
from msg_modules.data.examples import Examples
from msg_modules.gan import schedule
from msg_modules.gan.compiled_steps import GOOD, StepsResult, compile_steps
from msg_modules.gan.step import METRICS, Gan
from msg_modules.generator import codes
from msg_modules.pictures import sheets
from msg_modules.training import (
    checkpoints,
    determinism,
    draws,
    health,
    precision,
    starting_point,
)
from msg_modules.training.distribution import (
    Team,
    make_strategy,
    team_of,
    working_directory,
)
from msg_modules.training.reporting import Reporter

# Duration of one call of the compiled steps: the progress bar moves and Ctrl-C is
# checked this often.
_SECONDS_PER_CALL = 1.0
_SHEET_IMAGES = 40
_UNCONDITIONAL = ClassSpec()


def train(
    model: ModelConfig,
    config: TrainConfig,
    examples: Examples,
    work_dir: pathlib.Path,
    classes: ClassSpec = _UNCONDITIONAL,
) -> Gan:
    """Trains a GAN, or resumes an interrupted training.

    On Ctrl-C or SIGTERM, finishes the steps in progress (about a second), saves a
    checkpoint and ends; if there are several processes, they all do.

    Args:
      model: Network settings.
      config: Training settings.
      examples: The training images.
      work_dir: Gets `checkpoints/`, `stats.jsonl`, `tensorboard/`, `samples/`,
        `draws/`.
      classes: The classes to condition on.

    Returns:
      The trained networks.

    Raises:
      ConfigError: If the devices for the replicas are not available, or `work_dir` or
        `start_from` holds checkpoints of different networks.
      RunError: If there are fewer images than a global batch, another process of the
        job was lost or stopped, or a loss, gradient or weight is not finite and
        `divergence_retries` is exhausted.
    """
    precision.warn_if_slow(config.precision, config.strategy)
    with determinism.required(config.deterministic):
        strategy = make_strategy(config.strategy, config.replicas)
        with working_directory(config.strategy, work_dir) as own_dir:
            with strategy.scope():
                gan = Gan(
                    model,
                    config,
                    examples.spec,
                    strategy.num_replicas_in_sync,
                    len(classes),
                )
            loop = _Loop(strategy, gan, model, config, examples, classes, own_dir)
            with signals.held_back() as received:
                step = loop.begin()
                while step < config.steps and not loop.is_stopped:
                    try:
                        step = loop.run_from(step, received)
                    except _Diverged as e:
                        step = loop.go_back(e)
                if loop.is_stopped:
                    loop.stop()
                    if not received:
                        raise RunError(
                            "Another process in TF_CONFIG was stopped, so all of them"
                            " saved a checkpoint and stopped; rerun the same command in"
                            " all of them to resume."
                        )
                else:
                    loop.end()
    return gan


class _Diverged(Exception):
    """A metric or a weight became NaN or infinite."""

    def __init__(self, names: Sequence[str], step: int):
        super().__init__(
            f"{' and '.join(names)} became NaN or infinite in step {step:,}"
        )


class _Loop:
    """Runs the steps, and writes reports, samples and checkpoints.

    Attributes:
      is_stopped: Whether this process, or another of the job, received a signal.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        gan: Gan,
        model: ModelConfig,
        config: TrainConfig,
        examples: Examples,
        classes: ClassSpec,
        work_dir: pathlib.Path,
    ):
        self.is_stopped = False
        self._strategy = strategy
        self._team: Team = team_of(strategy)
        self._gan = gan
        self._config = config
        self._examples = examples
        self._num_classes = len(classes)
        self._work_dir = work_dir
        self._kept = checkpoints.Checkpoints(gan, work_dir, config.checkpoint_keep)
        # The classes in turn, so that a row of a sheet shows each of up to ten.
        in_turn = tf.range(_SHEET_IMAGES, dtype=tf.int64) % max(1, len(classes))
        self._samples = sheets.SampleSheets(
            work_dir / "samples",
            _fixed_codes(model, [config.seed, -1], in_turn, len(classes)),
        )
        in_shares = codes.random_labels(
            draws.NUM_IMAGES, classes.shares, tf.constant([config.seed, -3], tf.int64)
        )
        self._draws = draws.Draws(
            work_dir, _fixed_codes(model, [config.seed, -2], in_shares, len(classes))
        )
        self._watch = health.CollapseWatch(examples)
        self._run_steps = compile_steps(
            strategy, gan, config, has_clock=not determinism.is_on()
        )

    def begin(self) -> int:
        """Restores the latest checkpoint; returns the step to resume from."""
        source = self._config.start_from
        if not self._kept.restore() and source:
            checkpoint = starting_point.find(source)
            self._kept.start_from(checkpoint)
            console.say(
                f"  starting from the weights of step"
                f" {starting_point.step_of(checkpoint):,} in {source}"
            )
        step = self._take_chiefs_state()
        if step:
            console.say(f"  resuming from step {step:,} of {self._config.steps:,}")
            self._tell_if_rates_rise(step)
        elif self._config.divergence_retries:
            self._kept.save()  # to roll back to
        self._samples.draw_real(self._examples.pyramid(slice(_SHEET_IMAGES)))
        self._drop_after(step)
        return step

    def run_from(self, step: int, received: Sequence[int]) -> int:
        """Trains to the end, or until stopped; returns the last step.

        Raises:
          _Diverged: If a metric or weight became NaN or infinite; that state is not
            saved.
        """
        config = self._config
        batches = self._batches(step)
        seconds_per_step = math.inf
        tally = _Tally(step)
        saved = time.monotonic()
        with (
            Reporter(self._work_dir, self._gan.global_batch_size, step) as reporter,
            console.progress("training", config.steps, step) as show,
        ):
            while step < config.steps and not self._ask_to_stop(received):
                next_event = min(
                    config.steps,
                    schedule.next_change(config, step),
                    *(
                        (step // every + 1) * every
                        for every in (
                            config.report_every,
                            config.sample_every,
                            config.checkpoint_every,
                        )
                    ),
                )
                count = self._team.agree(
                    max(
                        1,
                        min(
                            next_event - step, int(_SECONDS_PER_CALL / seconds_per_step)
                        ),
                    )
                )
                self._set_learning_rates(step)
                start = time.monotonic()
                result = self._run_steps(batches, tf.constant(count))
                _check(result.first_bad.numpy())
                tally.add(result)
                seconds_per_step = (time.monotonic() - start) / count
                step += count
                show(step)
                at_end = step == config.steps
                if step % config.report_every == 0 or at_end:
                    self._report(reporter, step, tally)
                    tally = _Tally(step)
                if step % config.sample_every == 0:
                    self._draw(reporter, step)
                late = time.monotonic() - saved >= config.checkpoint_seconds
                if (
                    step % config.checkpoint_every == 0
                    or at_end
                    or self._team.agree(late)
                ):
                    self._save(step)
                    saved = time.monotonic()
        return step

    def _ask_to_stop(self, received: Sequence[int]) -> bool:
        # All processes must agree: one that continued alone would hang in the next
        # step's collectives until the others are gone, and then fail without saving.
        self.is_stopped = self._team.any(bool(received))
        return self.is_stopped

    def go_back(self, diverged: _Diverged) -> int:
        """Rolls back to the last good checkpoint and halves the learning rates.

        Returns:
          The step to resume from.

        Raises:
          RunError: If `divergence_retries` is exhausted.
        """
        halvings, allowed = self._kept.halvings, self._config.divergence_retries
        if halvings >= allowed:
            kept = self._kept.saved_step
            tried = f" with learning rates halved {halvings} times" if halvings else ""
            where = (
                f" The last good checkpoint, of step {kept:,}, is in {self._work_dir};"
                f" use --train.divergence-retries {allowed + 3} to resume from it with"
                " lower learning rates, or use"
                if kept
                else " Use"
            )
            raise RunError(
                f"{diverged}{tried}.{where} a lower"
                " --train.generator-learning-rate and"
                " --train.discriminator-learning-rate."
            ) from diverged
        self._kept.go_back()
        step = self._take_chiefs_state()
        console.warn(
            f"{diverged}. Resuming from step {step:,} with half the learning rates"
            f" (retry {halvings + 1} of {allowed})."
        )
        self._drop_after(step)
        return step

    def stop(self) -> None:
        """Saves a checkpoint and prints how to resume."""
        if self._gan.is_finite():
            self._kept.save()
        console.say(
            f"  stopped; step {self._kept.saved_step or 0:,} is saved in"
            f" {self._work_dir}; rerun the same command to resume"
        )

    def end(self) -> None:
        """Writes the last samples of the trained generator."""
        self._samples.draw(self._gan.ema_generator, self._config.steps)
        self._draws.draw(self._gan.ema_generator, self._config.steps)

    def _set_learning_rates(self, step: int) -> None:
        self._gan.set_learning_rates(
            0.5**self._kept.halvings * schedule.factor_at(self._config, step)
        )

    def _tell_if_rates_rise(self, step: int) -> None:
        """Tells if the rates had fallen for fewer steps, or the settings differed."""
        before = self._gan.learning_rates()
        self._set_learning_rates(step)
        for name, rate in self._gan.learning_rates().items():
            if rate > 1.001 * before[name]:
                console.say(f"  {name} rises from {before[name]:.2g} to {rate:.2g}")

    def _drop_after(self, step: int) -> None:
        self._samples.drop_after(step)
        self._draws.drop_after(step)

    def _take_chiefs_state(self) -> int:
        """Copies the chief's restored state to all processes; returns its step."""
        self._team.copy_from_chief(self._kept.state)
        return int(self._gan.step.numpy())

    def _batches(self, step: int) -> tf.distribute.DistributedIterator:
        return iter(
            self._strategy.distribute_datasets_from_function(
                lambda context: training_dataset(
                    self._examples,
                    replica_batch_size=self._config.batch_size,
                    num_replicas=self._strategy.num_replicas_in_sync,
                    seed=self._config.seed,
                    num_classes=self._num_classes,
                    first_step=step,
                    context=context,
                )
            )
        )

    def _report(self, reporter: Reporter, step: int, tally: _Tally) -> None:
        means = tally.sums / (step - tally.since)
        reporter.report(
            step,
            means,
            time.monotonic() - tally.began,
            None if determinism.is_on() else tally.data_seconds,
            self._gan.learning_rates(),
        )
        by_name = dict(zip(METRICS, means, strict=True))
        self._watch.see_report(step, by_name["real_accuracy"], by_name["fake_accuracy"])

    def _draw(self, reporter: Reporter, step: int) -> None:
        path, pyramid = self._samples.draw(self._gan.ema_generator, step)
        if self._draws.is_due(step):
            self._draws.draw(self._gan.ema_generator, step)
        reporter.show(step, path, pyramid)
        self._watch.see_samples(step, pyramid[-1])

    def _save(self, step: int) -> None:
        # Losses are computed before the update, so the last update may have broken the
        # weights unnoticed.
        if not self._gan.is_finite():
            raise _Diverged(["a weight"], step)
        self._kept.save()


class _Tally:
    """Metrics accumulated since the last report."""

    def __init__(self, step: int):
        self.since = step
        self.began = time.monotonic()
        self.sums = np.zeros(len(METRICS))
        self.data_seconds = 0.0

    def add(self, result: StepsResult) -> None:
        self.sums += result.sums.numpy()
        self.data_seconds += float(result.data_seconds)


def _check(first_bad: np.ndarray) -> None:
    """Raises _Diverged with the metrics that became non-finite first."""
    step = first_bad.min()
    if step < GOOD:
        names = [
            name for name, bad in zip(METRICS, first_bad, strict=True) if bad == step
        ]
        raise _Diverged(names, int(step))


def _fixed_codes(
    model: ModelConfig, seed: list[int], labels: tf.Tensor, num_classes: int
) -> tf.Tensor:
    latents = tf.random.stateless_normal([len(labels), model.latent_dim], seed)
    return tf.concat([latents, tf.one_hot(labels, num_classes)], 1)
