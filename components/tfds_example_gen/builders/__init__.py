"""The TFDS datasets of this project; importing this package registers them."""

from components.tfds_example_gen.builders.garments import Garments

__all__ = ["Garments"]
