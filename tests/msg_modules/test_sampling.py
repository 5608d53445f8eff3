from __future__ import annotations

import pathlib
import shutil
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from msg_modules import sampling
from msg_modules.errors import ConfigError


@pytest.fixture
def versions(serving_dir: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """A serving directory with the versions 9 and 10, and what may lie beside."""
    for name in ("9", "10", "99-old", "backup"):
        shutil.copytree(serving_dir / "7", tmp_path / name)
    # Still being copied.
    shutil.copytree(serving_dir / "7" / "variables", tmp_path / "11" / "variables")
    (tmp_path / "12").touch()
    return tmp_path


def test_the_newest_complete_version_is_taken(versions: pathlib.Path):
    assert sampling.load_generator(versions).path == versions / "10"


@pytest.mark.parametrize("name", ["9", "backup"])
def test_one_version_can_be_named(versions: pathlib.Path, name: str):
    assert sampling.load_generator(str(versions / name)).path == versions / name


def test_images_are_those_of_the_exported_generator(
    serving_dir: pathlib.Path, trained: Any
):
    generator = sampling.load_generator(serving_dir)
    latents = np.random.default_rng(0).normal(size=[3, 8])

    pyramid = generator.generate(latents)

    assert generator.latent_dim == 8
    assert [images.shape for images in pyramid] == [
        (3, size, size, 1) for size in (7, 14, 28)
    ]
    wanted = trained.gan.ema_generator(latents.astype(np.float32), training=False)
    for images, expected in zip(pyramid, wanted, strict=True):
        assert isinstance(images, np.ndarray)
        np.testing.assert_allclose(images, expected, atol=1e-5)


@pytest.mark.parametrize("num_images", [1, 5])
def test_a_sample_depends_on_its_seed_alone(serving_dir: pathlib.Path, num_images: int):
    generator = sampling.load_generator(serving_dir)

    first, again, other = (generator.sample(num_images, seed) for seed in (1, 1, 2))

    assert [images.shape for images in first] == [
        (num_images, size, size, 1) for size in (7, 14, 28)
    ]
    for one, same, different in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(one, same)
        assert np.max(np.abs(one - different)) > 1e-3


@pytest.mark.parametrize("exists", [False, True])
def test_where_no_model_is_the_directory_is_named(tmp_path: pathlib.Path, exists: bool):
    path = tmp_path / "nothing"
    if exists:
        (path / "3").mkdir(parents=True)

    with pytest.raises(ConfigError, match="no SavedModel") as caught:
        sampling.load_generator(path)

    assert str(path) in str(caught.value)


def test_another_model_is_not_taken_for_a_generator(tmp_path: pathlib.Path):
    module = tf.Module()
    module.double = tf.function(
        lambda x: {"y": 2 * x}, input_signature=[tf.TensorSpec([], tf.float32)]
    )
    tf.saved_model.save(
        module, str(tmp_path / "1"), signatures={"serving_default": module.double}
    )

    with pytest.raises(ConfigError, match=r"signature\(s\) sample;") as caught:
        sampling.load_generator(tmp_path)

    assert str(tmp_path / "1") in str(caught.value)


@pytest.mark.parametrize("damage", ["graph", "variables"])
def test_a_damaged_model_is_told_in_one_line(
    serving_dir: pathlib.Path, tmp_path: pathlib.Path, damage: str
):
    path = pathlib.Path(shutil.copytree(serving_dir / "7", tmp_path / "1"))
    if damage == "graph":
        (path / "saved_model.pb").write_bytes(b"damaged")
    else:
        shutil.rmtree(path / "variables")

    with pytest.raises(ConfigError, match=str(path)):
        sampling.load_generator(tmp_path)


def test_on_the_sphere_latents_keep_their_length_and_turn_evenly():
    start, end = np.array([3.0, 0, 0]), np.array([0, 3.0, 0])

    path = sampling.interpolate_latents(start, end, 4)

    np.testing.assert_allclose(np.linalg.norm(path, axis=1), 3, rtol=1e-6)
    angles = np.degrees(np.arctan2(path[:, 1], path[:, 0]))
    np.testing.assert_allclose(angles, [0, 30, 60, 90], atol=1e-4)


@pytest.mark.parametrize("end", [[-2.0, 0.5], [2.0, -0.5], [4.0, -1.0]])
def test_every_way_begins_and_ends_where_it_was_asked_to(end: list[float]):
    """Also where there is no one shortest way on the sphere, or none at all."""
    start = np.array([2.0, -0.5])
    for spherical in (True, False):
        path = sampling.interpolate_latents(start, np.array(end), 5, spherical)
        np.testing.assert_allclose(path[[0, -1]], [start, end], atol=1e-5)
        assert np.isfinite(path).all()


def test_a_straight_way_has_even_steps():
    path = sampling.interpolate_latents(np.zeros(2), np.array([4.0, 8]), 5, False)

    np.testing.assert_allclose(path, [[0, 0], [1, 2], [2, 4], [3, 6], [4, 8]])
