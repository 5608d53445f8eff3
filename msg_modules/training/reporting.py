"""The losses over time, for people and for programs."""

from __future__ import annotations

import json
import pathlib
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import numpy as np
import PIL.Image
import tensorflow as tf

from msg_modules.common import console, files
from msg_modules.gan.step import METRICS

_STATS_FILE = "stats.jsonl"
# Where nobody watches a progress bar, a line this often.
_SECONDS_PER_LINE = 10.0


class Reporter:
    """Writes `stats.jsonl` and TensorBoard's files, and prints lines.

    A line of `stats.jsonl` holds `step`, `images`, `seconds` (spent training,
    over all resumptions), `images_per_second`, the mean of each of `gan.step.METRICS`
    since the line before (or since the training was resumed, if that was later),
    `generator_learning_rate` and `discriminator_learning_rate` as they are, and
    `data_seconds` (spent waiting for images in the time of that mean; not in a
    deterministic training, where TensorFlow does not tell the time). TensorBoard
    gets all but the first three as scalars, and the sheets.
    """

    def __init__(self, work_dir: pathlib.Path, batch_size: int, first_step: int):
        """Opens the files.

        Args:
          work_dir: Directory of the training.
          batch_size: Global batch size, to count images.
          first_step: Reports of later steps are dropped: the training goes on
            from here, and makes them again.
        """
        self._path = work_dir / _STATS_FILE
        self._batch_size = batch_size
        kept = [line for line in read_stats(work_dir) if line["step"] <= first_step]
        files.write_whole(self._path, "".join(json.dumps(line) + "\n" for line in kept))
        self._seconds = kept[-1]["seconds"] if kept else 0.0
        self._last_step = first_step
        self._printed = -_SECONDS_PER_LINE
        console.say(
            "  loss: generator (G) and discriminator (D); right: share of real and of"
            " generated\n  images that the discriminator classifies correctly, 50% if"
            " it is guessing"
        )
        self._writer = tf.summary.create_file_writer(str(work_dir / "tensorboard"))

    def report(
        self,
        step: int,
        means: np.ndarray,
        seconds: float,
        data_seconds: float | None,
        learning_rates: Mapping[str, float],
    ) -> None:
        """Writes one report.

        Args:
          step: Finished steps.
          means: Mean of each of `gan.step.METRICS` since the last report.
          seconds: Time since the last report.
          data_seconds: Part of that spent waiting for images; None if it was not
            measured.
          learning_rates: Those now, by name.
        """
        images = (step - self._last_step) * self._batch_size
        self._seconds += seconds
        self._last_step = step
        line: dict[str, Any] = {
            "step": step,
            "images": step * self._batch_size,
            "seconds": round(self._seconds, 3),
            "images_per_second": round(images / seconds, 1),
            **{name: float(mean) for name, mean in zip(METRICS, means, strict=True)},
            **learning_rates,
        }
        if data_seconds is not None:
            line["data_seconds"] = round(data_seconds, 6)
        with self._path.open("a") as f:
            f.write(json.dumps(line) + "\n")
        with self._writer.as_default(step=step):
            for name in line.keys() - {"step", "images", "seconds"}:
                tf.summary.scalar(name, line[name])
        self._print(line)

    def show(self, step: int, sheet: PIL.Image.Image) -> None:
        """Puts a sheet of samples into TensorBoard.

        Args:
          step: Finished steps.
          sheet: A grey picture.
        """
        with self._writer.as_default(step=step):
            tf.summary.image("samples", np.asarray(sheet)[None, :, :, None])

    def _print(self, line: dict[str, Any]) -> None:
        now = time.monotonic()
        if not console.is_terminal() and now - self._printed < _SECONDS_PER_LINE:
            return
        self._printed = now
        console.say(
            f"  step {line['step']:>6,}  images {line['images']:>9,}"
            f"  loss G {line['generator_loss']:.3f} D {line['discriminator_loss']:.3f}"
            f"  right {line['real_accuracy']:.0%} {line['fake_accuracy']:.0%}"
            f"  {line['images_per_second']:.0f} images/s"
        )

    def __enter__(self) -> Reporter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._writer.close()


def read_stats(directory: pathlib.Path) -> list[dict[str, Any]]:
    """The reports of a training, oldest first; a half-written line is dropped."""
    path = directory / _STATS_FILE
    stats = []
    for text in path.read_text().splitlines() if path.exists() else []:
        try:
            stats.append(json.loads(text))
        except json.JSONDecodeError:
            break
    return stats
