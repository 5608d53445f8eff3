"""Images generated during training, for the learning curve of the report."""

from __future__ import annotations

import pathlib

import numpy as np
import tensorflow as tf

from msg_modules.common import files
from msg_modules.pictures.sheets import to_uint8

DIRECTORY = "draws"
NUM_IMAGES = 1000
_CHUNK = 250
_SHARE = 10
_PREFIX = "step-"


class Draws:
    """Snapshots of images, at the largest scale, generated from the same codes.

    Training itself has no classifier. From these snapshots, the evaluation measures
    how the distance to the real images fell.
    """

    def __init__(self, work_dir: pathlib.Path, codes: tf.Tensor):
        """Keeps the codes.

        Args:
          work_dir: Work directory of the training; gets `draws/step-00000250.npz` etc.
          codes: Input of the generator, `[NUM_IMAGES, latent_dim + num_classes]`.
        """
        self._directory = work_dir / DIRECTORY
        self._codes = codes

    def drop_after(self, step: int) -> None:
        """Removes snapshots of later steps, which training will write again."""
        for path in self._paths():
            if _step_of(path) > step:
                path.unlink()

    def is_due(self, step: int) -> bool:
        """Whether the step is at least 10% beyond that of the last snapshot.

        The distance falls quickly at first and slowly later, and a long training must
        not fill the disk.
        """
        last = max(map(_step_of, self._paths()), default=0)
        return step >= last + last // _SHARE

    def draw(self, generator: tf.Module, step: int) -> None:
        """Writes a snapshot of the generator at a step."""
        images = [
            to_uint8(generator(self._codes[start : start + _CHUNK], training=False)[-1])
            for start in range(0, len(self._codes), _CHUNK)
        ]
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._directory / f"{_PREFIX}{step:08d}.npz"
        with files.beside(path) as part:
            np.savez_compressed(part, images=np.concatenate(images))

    def _paths(self) -> list[pathlib.Path]:
        return list(self._directory.glob(f"{_PREFIX}*.npz"))


def read_draws(run_dir: pathlib.Path) -> dict[int, np.ndarray]:
    """Reads the snapshots of a training, in order of steps.

    Args:
      run_dir: Directory of the training.

    Returns:
      Step -> float32 `[num_images, size, size, channels]` in [-1, 1].
    """
    draws = {}
    for path in sorted((run_dir / DIRECTORY).glob(f"{_PREFIX}*.npz")):
        with np.load(path) as kept:
            draws[_step_of(path)] = kept["images"].astype(np.float32) / 127.5 - 1
    return draws


def _step_of(path: pathlib.Path) -> int:
    return int(path.stem.removeprefix(_PREFIX))
