"""Drawn clothes, an offline stand-in for Fashion-MNIST.

Importing this package registers the TFDS builder `garments`.
"""

from components.tfds_example_gen.builders.garments.builder import Garments

__all__ = ["Garments"]
