"""What a generator records of the training that it comes from."""

from __future__ import annotations

import pathlib

import keras
import pytest

from msg_modules.data.class_spec import ClassSpec
from msg_modules.generator import export, origin

CLASSES = ClassSpec(("Bag", "Ankle boot", "T-shirt/top"), (0.1, 0.6, 0.3))
TRAINING = ("0123456789abcdef", 750)


def _origin(
    network: keras.Model,
    directory: pathlib.Path,
    classes: ClassSpec = CLASSES,
    training: tuple[str, int] | None = TRAINING,
) -> origin.Origin | None:
    export.export(network, 8, str(directory), classes, training)
    return origin.read(directory)


@pytest.mark.slow
def test_two_exports_have_the_same_origin_if_they_generate_the_same(
    conditional_network: keras.Model, tmp_path: pathlib.Path
):
    first = _origin(conditional_network, tmp_path / "first")
    assert first is not None
    assert (first.training, first.step) == TRAINING

    assert _origin(conditional_network, tmp_path / "again") == first
    # Names are not part of the training.
    renamed = ClassSpec(("Bag", "Boot", "T-shirt/top"), CLASSES.shares)
    assert _origin(conditional_network, tmp_path / "renamed", renamed) != first
    other = keras.models.clone_model(conditional_network)
    assert _origin(other, tmp_path / "other") != first
    assert _origin(conditional_network, tmp_path / "none", training=None) is None
