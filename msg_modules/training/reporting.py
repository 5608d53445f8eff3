"""Training metrics: console lines, `stats.jsonl` and TensorBoard."""

from __future__ import annotations

import json
import pathlib
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import numpy as np
import tensorflow as tf

from msg_modules.common import console, files
from msg_modules.gan.step import METRICS
from msg_modules.pictures import sheets, terminal

_STATS_FILE = "stats.jsonl"
# Minimum interval between lines if the output is not a terminal.
_SECONDS_PER_LINE = 10.0
# Minimum interval between sheets on a terminal.
_SECONDS_PER_SHEET = 60.0
_IMAGES_PER_SHEET = 10


class Reporter:
    """Writes `stats.jsonl` and TensorBoard event files, and prints progress lines.

    A line of `stats.jsonl` holds `step`, `images`, `seconds` (training time, summed
    over resumptions), `images_per_second`, the mean of each of `gan.step.METRICS`
    since the previous line (or since training resumed, if that was later), the current
    `generator_learning_rate` and `discriminator_learning_rate`, and `data_seconds`
    (time spent waiting for images over the same interval; absent from deterministic
    training, where TensorFlow's clock is not available). TensorBoard gets all but the
    first three as scalars, and the sheets.
    """

    def __init__(self, work_dir: pathlib.Path, batch_size: int, first_step: int):
        """Opens the files.

        Args:
          work_dir: Work directory of the training.
          batch_size: Global batch size.
          first_step: Step to resume from; reports of later steps are dropped, since
            training will write them again.
        """
        self._path = work_dir / _STATS_FILE
        self._batch_size = batch_size
        kept = [line for line in read_stats(work_dir) if line["step"] <= first_step]
        files.write_whole(self._path, "".join(json.dumps(line) + "\n" for line in kept))
        self._seconds = kept[-1]["seconds"] if kept else 0.0
        self._last_step = first_step
        self._printed = -_SECONDS_PER_LINE
        self._shown: float | None = None
        console.say(
            "  loss: of the generator (G) and the discriminator (D); accuracy: of the"
            " discriminator\n  on real and on generated images, 50% at chance level"
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
          data_seconds: Part of that spent waiting for images; None if not measured.
          learning_rates: Current learning rates, by name.
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

    def show(
        self, step: int, path: pathlib.Path, pyramid: Sequence[np.ndarray]
    ) -> None:
        """Writes a sample sheet to TensorBoard; prints where the first one is.

        On a terminal with colours, prints some of its images as well, and of later
        sheets once a minute.

        Args:
          step: Finished steps.
          path: File of the sheet.
          pyramid: Its images, as in `sheets.pyramid_sheet`.
        """
        sheet = np.atleast_3d(np.asarray(sheets.pyramid_sheet(pyramid)))
        with self._writer.as_default(step=step):
            tf.summary.image("samples", sheet[None])
        now = time.monotonic()
        if self._shown is not None and (
            not console.has_colours() or now - self._shown < _SECONDS_PER_SHEET
        ):
            return
        self._shown = now
        console.say(f"  images of step {step:,}: {path}")
        if console.has_colours():
            width = console.console.width
            images = terminal.preview(pyramid, _IMAGES_PER_SHEET, width)
            console.console.print(images)

    def _print(self, line: dict[str, Any]) -> None:
        now = time.monotonic()
        if not console.is_terminal() and now - self._printed < _SECONDS_PER_LINE:
            return
        self._printed = now
        console.say(
            f"  step {line['step']:>6,}  images {line['images']:>9,}"
            f"  loss G {line['generator_loss']:.3f} D {line['discriminator_loss']:.3f}"
            f"  accuracy {line['real_accuracy']:.0%} {line['fake_accuracy']:.0%}"
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
    """Reads the reports of a training, oldest first; drops a half-written last line."""
    path = directory / _STATS_FILE
    stats = []
    for text in path.read_text().splitlines() if path.exists() else []:
        try:
            stats.append(json.loads(text))
        except json.JSONDecodeError:
            break
    return stats
