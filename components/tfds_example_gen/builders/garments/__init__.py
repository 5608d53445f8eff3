"""Synthetic drawings of clothes, an offline stand-in for Fashion-MNIST.

Importing this package registers the TFDS builder `garments`.
"""

from .builder import Garments

__all__ = ["Garments"]
