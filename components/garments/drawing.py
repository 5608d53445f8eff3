"""Draws one garment of any class; needs neither TensorFlow nor a network."""

import numpy as np

from components.garments.bags import draw_bag
from components.garments.boots import draw_boot
from components.garments.coats import draw_coat
from components.garments.dice import Dice
from components.garments.dresses import draw_dress
from components.garments.light import develop
from components.garments.pullovers import draw_pullover
from components.garments.sandals import draw_sandal
from components.garments.shirts import draw_shirt
from components.garments.sneakers import draw_sneaker
from components.garments.trousers import draw_trouser
from components.garments.tshirts import draw_tshirt

# The names and the order of Fashion-MNIST.
_DRAWERS = {
    "T-shirt/top": draw_tshirt,
    "Trouser": draw_trouser,
    "Pullover": draw_pullover,
    "Dress": draw_dress,
    "Coat": draw_coat,
    "Sandal": draw_sandal,
    "Shirt": draw_shirt,
    "Sneaker": draw_sneaker,
    "Bag": draw_bag,
    "Ankle boot": draw_boot,
}
CLASS_NAMES = tuple(_DRAWERS)


def draw_garment(label: int, rng: np.random.Generator) -> np.ndarray:
    """Draws a garment.

    Args:
        label: Its class, an index into `CLASS_NAMES`.
        rng: Decides everything else; a generator in the same state gives the
            same picture.

    Returns:
        uint8 `[28, 28, 1]`, the garment in light tones on a background of 0. The
        same with NumPy 1.26 and 2.x, and with Pillow from 11.2 on.

    Raises:
        ValueError: If there is no such class.
    """
    if not 0 <= label < len(CLASS_NAMES):
        raise ValueError(f"label is {label}, wanted 0 to {len(CLASS_NAMES) - 1}")
    dice = Dice(rng)
    canvas, light = _DRAWERS[CLASS_NAMES[label]](dice)
    return develop(canvas, light, dice)
