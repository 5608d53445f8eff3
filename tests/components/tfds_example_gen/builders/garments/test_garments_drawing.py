import hashlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds
from sklearn.neighbors import KNeighborsClassifier

from components.tfds_example_gen.builders.garments import drawing
from components.tfds_example_gen.builders.garments.drawing import (
    CLASS_NAMES,
    draw_garment,
)

LABELS = range(len(CLASS_NAMES))
SHOES = [CLASS_NAMES.index(name) for name in ("Sandal", "Sneaker", "Ankle boot")]


def draw(label: int, seed: int) -> np.ndarray:
    return draw_garment(label, np.random.Generator(np.random.PCG64(seed)))


@pytest.fixture(scope="module")
def drawings() -> np.ndarray:
    """250 drawings of each class: `[10, 250, 28, 28]`."""
    return np.array(
        [[draw(label, seed)[..., 0] for seed in range(250)] for label in LABELS]
    )


def test_draws_one_grey_picture() -> None:
    picture = draw(0, seed=0)

    assert picture.shape == (28, 28, 1)
    assert picture.dtype == np.uint8


@pytest.mark.parametrize("label", LABELS, ids=CLASS_NAMES)
def test_the_seed_decides_the_picture(label: int) -> None:
    first, again, other = draw(label, 3), draw(label, 3), draw(label, 4)

    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_numpys_global_seed_plays_no_part() -> None:
    np.random.seed(1)
    first = draw(8, seed=3)
    np.random.seed(2)

    np.testing.assert_array_equal(first, draw(8, seed=3))


def test_version_2_0_0_still_draws_the_same_pictures() -> None:
    # What is prepared under one version never changes: drawing differently takes
    # a new version of the builder along with a new digest. Pillow before 11.2
    # fills some polygons differently.
    digest = hashlib.sha256()
    for label in LABELS:
        for seed in range(20):
            digest.update(draw(label, seed).tobytes())

    assert (
        digest.hexdigest()
        == "d3b91e7abc0b3c9bda02d8965ad42bddfc6aa32883fea6e6eb8a9ecf56fc777f"
    )


@pytest.mark.parametrize("label", [-1, 10])
def test_names_a_label_out_of_range_and_the_range(label: int) -> None:
    with pytest.raises(ValueError, match=f"^label is {label}, wanted 0 to 9$"):
        draw(label, seed=0)


def test_the_background_is_exactly_black(drawings: np.ndarray) -> None:
    # Nothing that is drawn reaches the two upper corners, whatever its class.
    assert not drawings[:7, :, 0, [0, -1]].any()
    black = (drawings == 0).mean(axis=(2, 3))
    assert black.min() > 0.1
    assert black.max() < 0.95


def test_the_garment_fills_the_frame_and_is_centred(drawings: np.ndarray) -> None:
    for pictures in drawings:
        for picture in pictures:
            rows = np.flatnonzero(picture.any(axis=1))
            columns = np.flatnonzero(picture.any(axis=0))
            assert max(np.ptp(rows), np.ptp(columns)) >= 20
            assert abs(columns[0] + columns[-1] - 27) <= 4
            assert abs(rows[0] + rows[-1] - 27) <= 10


@pytest.mark.parametrize("label", SHOES, ids=[CLASS_NAMES[label] for label in SHOES])
def test_shoes_point_left(drawings: np.ndarray, label: int) -> None:
    # The ankle is on the right: there most shoes are higher than at the toe.
    tops = np.argmax(drawings[label] > 0, axis=1)
    toe, ankle = tops[:, 1:9].mean(axis=1), tops[:, 19:27].mean(axis=1)

    assert (ankle < toe).mean() > 0.7


@pytest.mark.parametrize("label", LABELS, ids=CLASS_NAMES)
def test_no_two_garments_of_a_class_are_alike(drawings: np.ndarray, label: int) -> None:
    flat = drawings[label, :100].reshape(100, -1).astype(np.float64)
    differences = np.abs(flat[:, None] - flat[None]).mean(axis=2)
    pairs = differences[np.triu_indices(100, k=1)]

    assert pairs.min() > 2
    assert pairs.mean() > 20


@pytest.mark.parametrize("label", LABELS, ids=CLASS_NAMES)
def test_shape_and_tone_vary_within_a_class(drawings: np.ndarray, label: int) -> None:
    drawn = drawings[label] > 0
    tones = np.array([np.median(p[p > 0]) for p in drawings[label]])

    assert drawn.mean(axis=(1, 2)).std() > 0.02
    assert tones.std() > 20


def test_garments_are_shaded_not_flat(drawings: np.ndarray) -> None:
    levels = np.array([[len(np.unique(p)) for p in pictures] for pictures in drawings])

    assert np.median(levels, axis=1).min() > 80


def test_neighbours_in_pixel_space_share_their_class(drawings: np.ndarray) -> None:
    flat = drawings.reshape(len(CLASS_NAMES), 250, -1).astype(np.float64)
    known, asked = flat[:, :200].reshape(2000, -1), flat[:, 200:].reshape(500, -1)
    distances = (known**2).sum(axis=1) - 2 * asked @ known.T
    nearest = np.argmin(distances, axis=1) // 200
    right = (
        (nearest == np.repeat(LABELS, 50)).reshape(len(CLASS_NAMES), 50).mean(axis=1)
    )

    assert right.mean() > 0.8
    assert right.min() > 0.5


@pytest.mark.slow
def test_neighbours_of_real_garments_are_drawings_of_their_class() -> None:
    real = tfds.builder("fashion_mnist")
    if not real.is_prepared():
        pytest.skip("Fashion-MNIST is not prepared in TFDS_DATA_DIR")
    asked, labels = tfds.as_numpy(
        real.as_dataset(split="test", batch_size=-1, as_supervised=True)
    )
    drawn = [
        draw_garment(index % 10, np.random.Generator(np.random.PCG64([0, index])))
        for index in range(20_000)
    ]
    taught = KNeighborsClassifier(n_neighbors=3)
    taught.fit(np.reshape(drawn, (20_000, -1)) / 255, np.arange(20_000) % 10)

    right = taught.predict(asked.reshape(len(asked), -1) / 255) == labels

    assert right.mean() > 0.65


def test_drawing_needs_no_tensorflow() -> None:
    code = f"import sys, {drawing.__name__}\nsys.exit('tensorflow' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
