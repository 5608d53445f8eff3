"""Paints a folder of colour images to try: `uv run examples/paint_folder.py ~/painted`.

They are the garments of the dataset `garments`, in random colours on a transparent
background, with a sub-folder for each class.
"""

import colorsys
import pathlib

import numpy as np
import tyro
from PIL import Image

from components.tfds_example_gen.builders.garments import drawing


def paint(label: int, rng: np.random.Generator) -> Image.Image:
    """Paints a garment.

    Args:
      label: Index into the garments' class names.
      rng: Determines the drawing and its colour.

    Returns:
      28x28 RGBA; transparent where nothing is drawn.
    """
    tones = drawing.draw_garment(label, rng)
    dye = colorsys.hsv_to_rgb(rng.uniform(), rng.uniform(0.2, 0.9), 1.0)
    colours = np.rint(tones * np.array(dye)).astype(np.uint8)
    opacity = np.where(tones > 0, 255, 0).astype(np.uint8)
    return Image.fromarray(np.concatenate([colours, opacity], axis=-1))


def main(directory: tyro.conf.Positional[pathlib.Path], count: int = 20_000) -> None:
    """Paints a folder of colour images.

    Args:
      directory: New folder for the images.
      count: Number of images, spread evenly over the classes.
    """
    directory.mkdir(parents=True)
    names = [name.replace("/", " or ") for name in drawing.CLASS_NAMES]
    for name in names:
        (directory / name).mkdir()
    for number in range(count):
        label = number % len(names)
        image = paint(label, np.random.default_rng(number))
        image.save(directory / names[label] / f"{number:06}.png")


if __name__ == "__main__":
    tyro.cli(main)
