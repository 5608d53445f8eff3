"""The learning rates fall towards the end of a training as the settings say."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

import keras
import numpy as np
import pytest

from msg_modules.configs import TrainConfig
from msg_modules.training import loop, reporting, schedule


@pytest.mark.parametrize(
    ("steps", "decay"), [(20_000, 0.2), (750, 0.5), (6, 0.5), (7, 1.0), (1, 1.0)]
)
def test_rates_are_constant_and_then_fall_linearly_to_0(steps: int, decay: float):
    config = TrainConfig(steps=steps, decay=decay)

    factors = [schedule.stage_factor(config, step) for step in range(steps)]

    begin = steps * (1 - decay)
    wanted = np.interp(np.arange(steps), [begin, steps], [1, 0])
    # A stage is a hundredth of the decay, or a step.
    np.testing.assert_allclose(factors, wanted, atol=0.0101, rtol=0)
    if steps < 100:
        np.testing.assert_allclose(factors, wanted)
    assert np.all(np.diff(factors) <= 0)
    assert factors[0] == 1
    assert factors[-1] > 0


def test_without_decay_rates_are_constant():
    config = TrainConfig(steps=100)

    assert {schedule.stage_factor(config, step) for step in range(100)} == {1.0}


@pytest.mark.slow
def test_a_training_stopped_in_the_decay_ends_with_the_weights_of_one_that_was_not(
    trained: Any, tmp_path: pathlib.Path
):
    recipe = dataclasses.replace(trained.recipe, decay=0.5, report_every=1)
    whole = loop.train(trained.model, recipe, trained.examples, tmp_path / "whole")
    # The sheet of step 4 cannot be written: the training stops there, after the
    # checkpoint of step 3.
    obstacle = tmp_path / "stopped" / "samples" / ".step-00000004.png.part.png"
    obstacle.mkdir(parents=True)
    with pytest.raises(OSError, match="step-00000004"):
        loop.train(trained.model, recipe, trained.examples, tmp_path / "stopped")
    obstacle.rmdir()

    resumed = loop.train(trained.model, recipe, trained.examples, tmp_path / "stopped")

    polynomial = keras.optimizers.schedules.PolynomialDecay(
        recipe.generator_learning_rate, decay_steps=3, end_learning_rate=0.0
    )
    wanted = [float(polynomial(max(0, step - 3))) for step in range(6)]
    for name in ("whole", "stopped"):
        lines = reporting.read_stats(tmp_path / name)
        for network in ("generator", "discriminator"):
            rates = [line[f"{network}_learning_rate"] for line in lines]
            np.testing.assert_allclose(rates, wanted, rtol=1e-6)
    for seen, value, constant in zip(
        resumed.generator.get_weights(),
        whole.generator.get_weights(),
        trained.gan.generator.get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(seen, value)
        assert np.any(value != constant)
