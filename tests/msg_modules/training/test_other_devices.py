"""A training that is resumed on another number of devices."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from msg_modules import cli

pytestmark = pytest.mark.slow


def test_the_same_global_batch_is_the_same_training(
    trained: Any,
    write_examples: Callable,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    examples = tmp_path / "Split-train"
    images = trained.examples.pyramid(slice(None))
    write_examples(examples / "examples-00000-of-00001.gz", images)

    def run(name: str, steps: int, batch_size: int, replicas: int) -> str:
        output = ["--examples", str(examples), "--output", str(tmp_path / name)]
        settings = {
            "batch-size": batch_size,
            "steps": steps,
            **({"strategy": "mirrored", "replicas": 2} if replicas == 2 else {}),
        }
        flags = [f"--train.{key}={value}" for key, value in settings.items()]
        capsys.readouterr()
        assert cli.main(["train", *output, "--model.latent-dim=8", *flags]) == 0
        return capsys.readouterr().out

    run("both", 3, batch_size=4, replicas=2)
    assert "resuming from step 3 of 6" in run("both", 6, batch_size=8, replicas=1)
    assert "resuming" not in run("straight", 6, batch_size=8, replicas=1)
    for network in ("generator", "discriminator"):
        seen, wanted = (
            _weights(tmp_path / name / "run", network) for name in ("both", "straight")
        )
        assert np.linalg.norm(seen - wanted) <= 0.02 * np.linalg.norm(wanted)

    # The same number of images per device is another global batch.
    assert "resuming" not in run("both", 6, batch_size=8, replicas=2)


def _weights(run: pathlib.Path, network: str) -> np.ndarray:
    """The trainable weights in the last checkpoint, one after another."""
    reader = tf.train.load_checkpoint(str(run / "checkpoints"))
    names = sorted(
        name
        for name in reader.get_variable_to_shape_map()
        if name.startswith(f"gan/{network}_optimizer/_trainable_variables/")
    )
    assert names
    return np.concatenate([np.ravel(reader.get_tensor(name)) for name in names])
