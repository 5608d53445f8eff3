"""Sheets of generated and real images for the report."""

from __future__ import annotations

import itertools

import numpy as np
import PIL.Image

from msg_modules.generator.sampling import Generator
from msg_modules.metrics.images import quantise
from msg_modules.metrics.yardstick import Yardstick
from msg_modules.pictures.sheets import pyramid_sheet

_COLUMNS = 10
_NUM_NEIGHBOURS = 12
_NUM_STRIPS, _STEPS = 4, 12

Pictures = dict[str, PIL.Image.Image]


def draw_pictures(
    yardstick: Yardstick, generator: Generator | None, seed: int
) -> Pictures:
    """Renders the sheets, without cherry-picking.

    Args:
      yardstick: The real images.
      generator: The generator; None if it violates its interface.
      seed: Seed of the latents.

    Returns:
      `real`, and if there is a generator: `generated` (all scales stacked),
      `interpolation` (rows between the first generated images) and `neighbours`
      (generated images, and below each its nearest training image in pixels and in
      features).
    """
    pictures = {"real": pyramid_sheet(yardstick.shown, _COLUMNS)}
    if generator is None:
        return pictures
    num_images = len(yardstick.shown[-1])
    drawn = [quantise(scale) for scale in generator.sample(num_images, seed)]
    pictures["generated"] = pyramid_sheet(drawn, _COLUMNS)
    ends = generator.draw_codes(_NUM_STRIPS + 1, seed)
    strips = [
        generator.interpolate(start, end, _STEPS)[-1]
        for start, end in itertools.pairwise(ends)
    ]
    pictures["interpolation"] = pyramid_sheet([np.concatenate(strips)], _STEPS)
    if len(generator.classes):
        rows = [
            generator.sample(_COLUMNS, seed, label=label)[-1]
            for label in range(len(generator.classes))
        ]
        pictures["by_class"] = pyramid_sheet([quantise(np.concatenate(rows))], _COLUMNS)
    shown = drawn[-1][:_NUM_NEIGHBOURS]
    pictures["neighbours"] = pyramid_sheet(
        [shown, *yardstick.nearest_training_images(shown)], _NUM_NEIGHBOURS
    )
    return pictures
