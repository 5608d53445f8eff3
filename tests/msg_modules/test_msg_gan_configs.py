from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from msg_modules.common.errors import ConfigError
from msg_modules.configs import ModelConfig, TrainConfig


def test_defaults_are_valid_and_frozen():
    config = TrainConfig()

    assert ModelConfig().network == "compact"
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.steps = 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0),
        ("batch_size", -1),
        ("penalty_interval", 0),
        ("report_every", 0),
        ("sample_every", 0),
        ("checkpoint_every", 0),
        ("checkpoint_seconds", 0.0),
        ("checkpoint_keep", 0),
        ("divergence_retries", -1),
        ("generator_learning_rate", 0.0),
        ("generator_learning_rate", float("nan")),
        ("discriminator_learning_rate", -1e-3),
        ("beta_1", 1.0),
        ("beta_2", -0.1),
        ("r1_gamma", -0.5),
        ("ema_half_life", -1),
        ("decay", -0.1),
        ("decay", 1.1),
        ("seed", -1),
        ("replicas", 0),
        ("workers", 0),
        ("workers", 2),
    ],
)
def test_a_wrong_value_is_named_with_its_field(name: str, value: float):
    with pytest.raises(ConfigError) as caught:
        TrainConfig(**{"strategy": "mirrored", name: value})

    assert f"train.{name} is {value!r}" in str(caught.value)
    assert "it must be" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 1),
        ("beta_1", 0.0),
        ("beta_2", 0.999),
        ("r1_gamma", 0.0),
        ("ema_half_life", 0),
        ("decay", 0),
        ("decay", 1),
        ("seed", 0),
    ],
)
def test_a_value_at_the_bound_is_taken(name: str, value: float):
    assert getattr(TrainConfig(**{name: value}), name) == value


def test_a_latent_needs_a_length():
    with pytest.raises(ConfigError, match=r"model\.latent_dim is 0; .*1"):
        ModelConfig(latent_dim=0)


def test_changes_are_allowed_in_a_directory_that_is_named():
    with pytest.raises(ConfigError, match=r"train\.allow_changed is True.*-dir"):
        TrainConfig(allow_changed=True)
    assert TrainConfig(allow_changed=True, checkpoint_dir="mine").allow_changed


@pytest.mark.parametrize("strategy", ["auto", "one_device"])
def test_replicas_belong_to_the_mirrored_strategy(strategy: str):
    with pytest.raises(ConfigError, match=r"train\.replicas is 2.*mirrored"):
        TrainConfig(strategy=strategy, replicas=2)
    assert TrainConfig(strategy="mirrored", replicas=2).replicas == 2


def test_settings_are_read_without_tensorflow(repository: str):
    code = "import sys, msg_modules.configs; sys.exit('tensorflow' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=repository).returncode == 0
