"""Rows of `benchmarks/recipe.py` train until their budget is spent."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from recipe_results import Conditions

NAMES = ["as it is", "batch 32"]
CONDITIONS = Conditions(130, "images", 256, False, "this machine", None)


@pytest.mark.slow
def test_rows_see_the_same_images_or_train_for_the_same_time():
    import recipe_training
    import timing

    examples = timing.noise_examples(256)
    timed = dataclasses.replace(CONDITIONS, budget=0.01, unit="minutes")

    by_images = dict(recipe_training.train(NAMES, 0, CONDITIONS, examples, 0.1))
    by_time = dict(recipe_training.train(NAMES, 0, timed, examples, 0.1))

    # Whole steps.
    assert [by_images[name].images for name in NAMES] == [192, 160]
    for name in NAMES:
        assert by_time[name].seconds >= 0.6
        images = by_time[name].draw(8)
        assert images.shape == (8, 28, 28, 1)
        assert np.all(np.abs(images) <= 1)
