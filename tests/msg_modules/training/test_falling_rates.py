"""The learning rates fall towards the end of a training as the settings say."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

import keras
import numpy as np
import pytest
from specs import FASHION

from msg_modules.configs import TrainConfig
from msg_modules.gan import schedule
from msg_modules.gan.step import Gan
from msg_modules.training import checkpoints, loop, reporting


@pytest.mark.parametrize(
    ("steps", "decay"),
    [(20_000, 0.2), (750, 0.5), (751, 0.2), (6, 0.5), (7, 1.0), (1, 1.0)],
)
def test_rates_are_constant_and_then_fall_linearly_to_0(steps: int, decay: float):
    config = TrainConfig(steps=steps, decay=decay)

    factors = [schedule.factor_at(config, step) for step in range(steps)]

    begin = steps * (1 - decay)
    wanted = np.interp(np.arange(steps), [begin, steps], [1, 0])
    # They are constant in a stage.
    np.testing.assert_allclose(factors, wanted, atol=0.0101, rtol=0)
    if steps < 100:
        np.testing.assert_allclose(factors, wanted)
    assert np.all(np.diff(factors) <= 0)
    assert factors[0] == 1
    assert factors[-1] > 0


@pytest.mark.parametrize(("steps", "decay"), [(20_000, 0.2), (751, 0.2), (7, 1.0)])
def test_no_rate_changes_before_the_next_change(steps: int, decay: float):
    config = TrainConfig(steps=steps, decay=decay)
    step, parts = 0, 0
    while step < steps:
        end = min(steps, schedule.next_change(config, step))
        assert len({schedule.factor_at(config, s) for s in range(step, end)}) == 1
        # Also for a training that is resumed in between.
        assert min(steps, schedule.next_change(config, end - 1)) == end
        step, parts = end, parts + 1
    # The part at constant rates is not divided.
    assert parts <= 102


def test_without_decay_rates_are_constant():
    config = TrainConfig(steps=100)

    assert {schedule.factor_at(config, step) for step in range(100)} == {1.0}
    assert schedule.next_change(config, 0) == 100


@pytest.mark.slow
def test_a_training_stopped_in_the_decay_ends_with_the_weights_of_one_that_was_not(
    trained: Any, tmp_path: pathlib.Path
):
    recipe = dataclasses.replace(
        trained.recipe, decay=0.5, report_every=1, deterministic=True
    )
    # Its calls of the compiled steps could be longer than a stage of the rates.
    seldom = dataclasses.replace(recipe, report_every=6)
    whole = loop.train(trained.model, seldom, trained.examples, tmp_path / "whole")
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
    lines = reporting.read_stats(tmp_path / "stopped")
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


@pytest.mark.slow
def test_more_steps_than_the_rates_fell_for_raise_them_and_that_is_said(
    trained: Any, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
):
    recipe = dataclasses.replace(
        trained.recipe, steps=2, decay=1.0, report_every=1, sample_every=100
    )
    loop.train(trained.model, recipe, trained.examples, tmp_path)
    assert "rises" not in capsys.readouterr().out

    longer = dataclasses.replace(recipe, steps=5)
    loop.train(trained.model, longer, trained.examples, tmp_path)

    rate = recipe.generator_learning_rate
    lines = reporting.read_stats(tmp_path)
    rates = [line["generator_learning_rate"] for line in lines]
    wanted = np.array([1, 0.5, 0.6, 0.4, 0.2]) * rate
    np.testing.assert_allclose(rates, wanted, rtol=1e-6)
    told = f"generator_learning_rate rises from {0.5 * rate:.2g} to {0.6 * rate:.2g}"
    assert told in capsys.readouterr().out


def test_a_resumed_training_takes_the_rates_of_the_settings_halved_as_often_as_before(
    trained: Any, tmp_path: pathlib.Path
):
    gan = Gan(trained.model, trained.recipe, FASHION, 1)
    kept = checkpoints.Checkpoints(gan, tmp_path, 3)
    gan.step.assign(4)
    kept.save()
    assert kept.go_back() == 4
    assert kept.go_back() == 4
    gan.step.assign(5)
    kept.save()
    recipe = dataclasses.replace(trained.recipe, generator_learning_rate=0.125)

    loop.train(trained.model, recipe, trained.examples, tmp_path)

    (line,) = reporting.read_stats(tmp_path)
    assert line["generator_learning_rate"] == pytest.approx(0.125 / 4)
    wanted = recipe.discriminator_learning_rate / 4
    assert line["discriminator_learning_rate"] == pytest.approx(wanted)
