"""Descriptions of images that several test files share."""

from __future__ import annotations

from msg_modules.data.image_spec import ImageSpec

FASHION = ImageSpec(size=28, channels=1, scales=3)
"""Fashion-MNIST with default settings."""
