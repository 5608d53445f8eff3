"""The examples run where nothing but TensorFlow is, as their first lines say."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from specs import FASHION

from msg_modules.gan import networks
from msg_modules.generator import export

EXAMPLES = pathlib.Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    directory = tmp_path_factory.mktemp("serving") / "3"
    generator, _ = networks.build("compact", 8, FASHION)
    export.export(generator, 8, str(directory))
    return directory


def _run(name: str, directory: pathlib.Path, argument: object) -> str:
    # A copy elsewhere, as somebody takes it away.
    shutil.copy(EXAMPLES / name, directory)
    done = subprocess.run(
        [sys.executable, "-I", name, str(argument)],
        cwd=directory,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout


@pytest.mark.slow
def test_sample_draws_the_images_of_its_seed(
    version: pathlib.Path, tmp_path: pathlib.Path
):
    _run("sample.py", tmp_path, version)

    pixels = np.asarray(PIL.Image.open(tmp_path / "sample.png"))
    assert pixels.shape == (28, 16 * 28)
    model = tf.saved_model.load(str(version))
    images = model.signatures["sample"](
        num_images=tf.constant(16), seed=tf.constant(1, tf.int64)
    )["image_28"].numpy()
    for place in (0, 15):
        wanted = (images[place, ..., 0] + 1) * 127.5
        drawn = pixels[:, 28 * place : 28 * (place + 1)]
        np.testing.assert_allclose(drawn, wanted, atol=0.51)


def test_augment_mixes_generated_images_in(
    version: pathlib.Path, tmp_path: pathlib.Path
):
    lines = _run("augment.py", tmp_path, version).splitlines()

    assert len(lines) == 8
    shares = [int(line.split(")")[1].split("%")[0]) for line in lines]
    assert all(line.startswith("(32, 28, 28, 1) ") for line in lines)
    assert 10 < np.mean(shares) < 40


def test_a_folder_is_painted_that_has_classes_and_colours(tmp_path: pathlib.Path):
    painted = tmp_path / "painted"
    subprocess.run(
        [sys.executable, EXAMPLES / "paint_folder.py", painted, "--count", "30"],
        cwd=EXAMPLES.parent,
        env={**os.environ, "PYTHONPATH": str(EXAMPLES.parent)},
        check=True,
    )

    assert len(list(painted.iterdir())) == 10
    files = sorted(painted.glob("*/*.png"))
    assert len(files) == 30
    pixels = np.stack([np.asarray(PIL.Image.open(path)) for path in files])
    assert pixels.shape == (30, 28, 28, 4)
    opacity = pixels[..., 3]
    assert set(np.unique(opacity)) == {0, 255}
    mean = pixels[..., :3].mean(axis=(1, 2))
    assert (mean.max(axis=1) > 1.05 * mean.min(axis=1)).all()
