from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from msg_modules.common.errors import ConfigError
from msg_modules.generator import sampling


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


@pytest.fixture(scope="module")
def generator(serving_dir: pathlib.Path) -> sampling.Generator:
    return sampling.load_generator(serving_dir)


def test_a_truncated_sample_lies_nearer_to_the_average_image(
    generator: sampling.Generator,
):
    whole, half, none = (generator.sample(50, 1, t) for t in (1, 0.5, 0))

    for at_1, at_half, at_0 in zip(whole, half, none, strict=True):
        middle = generator.generate(np.zeros([1, 8]))
        size = at_1.shape[1]
        (average,) = (m for m in middle if m.shape[1] == size)
        np.testing.assert_allclose(at_0, np.repeat(average, 50, 0), atol=1e-5)
        far, near = (np.abs(images - average).mean() for images in (at_1, at_half))
        assert 0 < near < far


def test_a_stream_is_the_sample_in_batches(generator: sampling.Generator):
    batches = list(generator.stream(600, seed=4, truncation=0.7))

    assert [len(batch[0]) for batch in batches] == [256, 256, 88]
    for parts, whole in zip(
        zip(*batches, strict=True), generator.sample(600, 4, 0.7), strict=True
    ):
        np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-5)


def test_a_stream_longer_than_a_block_goes_on_with_other_images(
    generator: sampling.Generator, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sampling, "_BLOCK", 3)

    images = np.concatenate([batch[2] for batch in generator.stream(8, seed=4)])

    np.testing.assert_allclose(images[:3], generator.sample(3, 4)[2], atol=1e-5)
    assert len(np.unique(images.round(4), axis=0)) == 8


def test_an_interpolation_leads_from_image_to_image(generator: sampling.Generator):
    start, end = np.random.default_rng(1).normal(size=[2, 8]).astype(np.float32)

    curved = generator.interpolate(start, end, 5)
    straight = generator.interpolate(start, end, 5, spherical=False)

    ends = generator.generate(np.stack([start, end]))
    middle = generator.generate(((start + end) / 2)[None])
    for scale, size in enumerate((7, 14, 28)):
        assert curved[scale].shape == straight[scale].shape == (5, size, size, 1)
        for way in (curved[scale], straight[scale]):
            np.testing.assert_allclose(way[[0, -1]], ends[scale], atol=1e-5)
        np.testing.assert_allclose(straight[scale][[2]], middle[scale], atol=1e-5)
        assert np.max(np.abs(curved[scale][2] - middle[scale])) > 1e-3


@pytest.mark.parametrize(
    ("latents", "words"),
    [
        (np.zeros([2, 9]), r"\[2, 9\]; it must be \[N, 8\]"),
        (np.zeros([8]), r"shape \[8\]"),
        (np.full([1, 8], np.nan), "NaN"),
        (np.full([1, 8], -np.inf), "infinite"),
    ],
    ids=["length", "rank", "nan", "infinite"],
)
def test_latents_that_fit_no_generator_are_refused(
    generator: sampling.Generator, latents: np.ndarray, words: str
):
    with pytest.raises(ConfigError, match=words):
        generator.generate(latents)


def test_pictures_have_the_levels_of_the_images():
    images = np.linspace(-1, 1, 256, dtype=np.float32).reshape(1, 16, 16, 1)

    (picture,) = sampling.to_pictures(images)

    assert (picture.mode, picture.size) == ("L", (16, 16))
    np.testing.assert_array_equal(np.asarray(picture).ravel(), np.arange(256))


@pytest.mark.slow
def test_using_a_generator_imports_nothing_of_the_pipeline(
    serving_dir: pathlib.Path, repository: str
):
    code = f"""
import sys
from msg_modules.generator import sampling
pyramid = sampling.load_generator({str(serving_dir)!r}).sample(1)
sampling.to_pictures(pyramid[2])
heavy = {{"apache_beam", "tfx", "tensorflow_transform", "tensorflow_datasets"}}
heavy &= set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], cwd=repository, check=True)


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


def _save_other(
    path: pathlib.Path, latents: list[int | None], side: int | None
) -> None:
    """A SavedModel with the right names and these shapes."""

    def draw(count: tf.Tensor) -> dict[str, tf.Tensor]:
        return {
            f"image_{size}": tf.zeros([count, size, side or size, 1])
            for size in (7, 14, 28)
        }

    module = tf.Module()
    module.generate = tf.function(
        lambda latents: draw(tf.shape(latents)[0]),
        input_signature=[tf.TensorSpec(latents, tf.float32, "latents")],
    )
    module.sample = tf.function(
        lambda num_images, seed: draw(num_images),
        input_signature=[
            tf.TensorSpec([], tf.int32, "num_images"),
            tf.TensorSpec([], tf.int64, "seed"),
        ],
    )
    signatures = {"serving_default": module.generate, "sample": module.sample}
    tf.saved_model.save(module, str(path), signatures=signatures)


@pytest.mark.parametrize(
    ("latents", "side", "words"),
    [
        ([None, 8], 28, "must return 'image_7'"),
        ([8], None, "must take 'latents'"),
        ([None, None], None, "'latents' of unknown length"),
    ],
    ids=["outputs", "rank", "open"],
)
def test_a_model_of_other_shapes_is_not_taken_for_a_generator(
    tmp_path: pathlib.Path, latents: list[int | None], side: int | None, words: str
):
    _save_other(tmp_path / "1", latents, side)

    with pytest.raises(ConfigError, match=words) as caught:
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


def test_a_wrong_bit_anywhere_in_the_graph_is_noticed(
    serving_dir: pathlib.Path, tmp_path: pathlib.Path
):
    path = pathlib.Path(shutil.copytree(serving_dir / "7", tmp_path / "1"))
    graph = (path / "saved_model.pb").read_bytes()
    for position in range(0, len(graph), len(graph) // 50):
        damaged = bytearray(graph)
        damaged[position] ^= 1
        (path / "saved_model.pb").write_bytes(damaged)
        with pytest.raises(ConfigError, match=rf"{path}.* corrupt"):
            sampling.load_generator(tmp_path)


def test_a_model_without_a_checksum_is_loaded(
    serving_dir: pathlib.Path, tmp_path: pathlib.Path
):
    path = pathlib.Path(shutil.copytree(serving_dir / "7", tmp_path / "1"))
    (path / "fingerprint.pb").unlink()
    assert sampling.load_generator(path).path == path
