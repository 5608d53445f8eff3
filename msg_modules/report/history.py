"""Summary of a training run for reports."""

from __future__ import annotations

import json
import pathlib
from typing import Any

from msg_modules.metrics.yardstick import Yardstick
from msg_modules.training import draws, reporting


def summarise(run_dir: pathlib.Path, yardstick: Yardstick) -> dict[str, Any]:
    """Summarises a training run.

    Args:
      run_dir: Directory of the training, as `training.run_fn` leaves it.
      yardstick: Measures the images generated during training.

    Returns:
      `config` (`work_dirs.describe`), `step`, `images` and `seconds` of training, and
      `learning_curve`: for each snapshot, `step`, `images`, and `frechet`, the
      Frechet distance of its `num_images` images to the training images.
    """
    last = reporting.read_stats(run_dir)[-1]
    images_per_step = last["images"] // last["step"]
    return {
        "config": json.loads((run_dir / "config.json").read_text()),
        **{key: last[key] for key in ("step", "images", "seconds")},
        "learning_curve": [
            {
                "step": step,
                "images": step * images_per_step,
                "num_images": len(images),
                "frechet": yardstick.distance_to_training(images),
            }
            for step, images in draws.read_draws(run_dir).items()
        ],
    }
