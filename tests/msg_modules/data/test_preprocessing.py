from __future__ import annotations

import io

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from specs import FASHION

from msg_modules.data import preprocessing
from msg_modules.data.image_spec import ImageSpec

PREPARATION = preprocessing.Preparation(FASHION, "pad", background=(0, 0, 0))
CONFIG = PREPARATION.to_custom_config()


def _encoded(pixels: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def _noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def _decoded(*encoded: bytes) -> np.ndarray:
    return preprocessing.decode_images(tf.constant(encoded), PREPARATION).numpy()


def _bilinear(images: np.ndarray, size: int) -> np.ndarray:
    """Bilinear interpolation at half-pixel centres, one pixel at a time."""
    old = images.shape[1]
    result = np.zeros([len(images), size, size, 1])
    for row in range(size):
        for column in range(size):
            y = (row + 0.5) * old / size - 0.5
            x = (column + 0.5) * old / size - 0.5
            top, left = int(np.floor(y)), int(np.floor(x))
            for near_y, weight_y in ((top, top + 1 - y), (top + 1, y - top)):
                for near_x, weight_x in ((left, left + 1 - x), (left + 1, x - left)):
                    if weight_x * weight_y > 0:
                        pixel = images[:, near_y, near_x]
                        result[:, row, column] += weight_y * weight_x * pixel
    return result


def test_pyramid_is_the_scaled_image_resized_bilinearly():
    pixels = _noise(5, 28, 28)
    inputs = {
        "image": tf.constant([[_encoded(image)] for image in pixels]),
        "label": tf.constant([[0], [1], [2], [3], [9]], tf.int64),
    }

    outputs = preprocessing.preprocessing_fn(inputs, CONFIG)

    scaled = pixels[..., None] / 127.5 - 1.0
    for size in (7, 14, 28):
        image = outputs[f"image_{size}"].numpy()
        np.testing.assert_allclose(
            image, tf.image.resize(scaled.astype(np.float32), [size, size]), atol=1e-6
        )
        np.testing.assert_allclose(image, _bilinear(scaled, size), atol=1e-6)
    np.testing.assert_array_equal(outputs["label"], [0, 1, 2, 3, 9])


def test_scaling_maps_every_byte_exactly():
    levels = np.arange(256, dtype=np.float32)

    scaled = preprocessing.scale(tf.constant(levels)).numpy()

    assert scaled[0] == -1.0
    assert scaled[255] == 1.0
    np.testing.assert_allclose(scaled, -1 + 2 * levels / 255, atol=1e-7)
    assert np.all(np.diff(scaled) > 0)


def test_grey_images_of_the_right_size_keep_every_byte():
    pixels = np.stack([_noise(28, 28), np.full([28, 28], 255, np.uint8)])

    images = _decoded(*(_encoded(image) for image in pixels))

    np.testing.assert_array_equal(images[..., 0], pixels)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize(
    "colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (200, 100, 50), (255, 255, 255)]
)
def test_colours_become_grey_by_rec_601(kind: str, colour: tuple[int, int, int]):
    image = np.full([28, 28, 3], colour, np.uint8)

    grey = _decoded(_encoded(image, kind))

    wanted = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    # One level for the rounding, and for JPEG's own conversion of colours.
    np.testing.assert_allclose(grey, wanted, atol=1.1)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("channels", [1, 3])
def test_transparent_pixels_show_the_background(mode: str, channels: int):
    shape = PIL.Image.new("RGBA", [16, 16], (200, 200, 200, 0))
    shape.paste((200, 200, 200, 255), (0, 0, 8, 16))
    shape.paste((200, 200, 200, 51), (8, 0, 16, 8))
    preparation = preprocessing.Preparation(
        ImageSpec(16, channels, 2), "crop", background=(100, 100, 100)
    )

    (image,) = preprocessing.decode_images(
        tf.constant([_encoded(np.asarray(shape.convert(mode)))]), preparation
    ).numpy()

    np.testing.assert_array_equal(image[:, :8], 200)
    np.testing.assert_array_equal(image[:8, 8:], 0.2 * 200 + 0.8 * 100)
    np.testing.assert_array_equal(image[8:, 8:], 100)


def test_sixteen_bits_become_eight():
    levels = np.linspace(0, 65535, 28 * 28).reshape([28, 28]).astype(np.uint16)

    images = _decoded(_encoded(levels))

    np.testing.assert_allclose(images[0, ..., 0], levels / 257.0, atol=1)


def test_palette_images_are_decoded_to_their_colours():
    picture = PIL.Image.new("RGB", [28, 28], (255, 0, 0))
    picture.paste((0, 255, 0), (14, 0, 28, 28))
    buffer = io.BytesIO()
    picture.convert("P", palette=PIL.Image.Palette.ADAPTIVE).save(buffer, "PNG")

    image = _decoded(buffer.getvalue())[0, ..., 0]

    np.testing.assert_allclose(image[:, :14], 0.299 * 255, atol=1)
    np.testing.assert_allclose(image[:, 14:], 0.587 * 255, atol=1)


@pytest.mark.parametrize(
    ("height", "width", "rows", "columns"),
    [
        (28, 56, slice(7, 21), slice(0, 28)),
        (84, 42, slice(0, 28), slice(7, 21)),
        (7, 14, slice(7, 21), slice(0, 28)),
        (1000, 10, slice(0, 28), slice(13, 14)),
        (10, 10, slice(0, 28), slice(0, 28)),
        (300, 300, slice(0, 28), slice(0, 28)),
    ],
)
def test_other_sizes_are_fitted_with_their_shape_kept_and_black_around(
    height: int, width: int, rows: slice, columns: slice
):
    encoded = _encoded(np.full([height, width], 255, np.uint8))

    images = preprocessing.preprocessing_fn(
        {"image": tf.constant([[encoded]]), "label": tf.constant([[0]], tf.int64)},
        CONFIG,
    )["image_28"].numpy()

    wanted = np.full([1, 28, 28, 1], -1.0)
    wanted[:, rows, columns] = 1.0
    np.testing.assert_allclose(images, wanted, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(20, 60), (60, 20), (21, 40)])
def test_images_are_cropped_to_the_centre_square_in_colour(height: int, width: int):
    pixels = np.zeros([height, width, 3], np.uint8)
    top, left = (height - min(height, width)) // 2, (width - min(height, width)) // 2
    side = min(height, width)
    pixels[top : top + side, left : left + side] = (250, 100, 20)
    preparation = preprocessing.Preparation(ImageSpec(16, 3, 2), "crop", (0, 0, 0))

    (image,) = preprocessing.decode_images(
        tf.constant([_encoded(pixels)]), preparation
    ).numpy()

    np.testing.assert_allclose(image, np.full([16, 16, 3], (250, 100, 20)), atol=1e-3)


def test_the_padding_has_the_colour_of_the_background():
    pixels = np.full([16, 32, 3], (250, 100, 20), np.uint8)
    preparation = preprocessing.Preparation(ImageSpec(32, 3, 2), "pad", (1, 2, 3))

    (image,) = preprocessing.decode_images(
        tf.constant([_encoded(pixels)]), preparation
    ).numpy()

    np.testing.assert_allclose(image[:8], np.full([8, 32, 3], (1, 2, 3)), atol=1e-3)
    np.testing.assert_allclose(image[8:24], pixels, atol=1e-3)


def test_large_images_are_shrunk_by_averaging_rather_than_by_picking_pixels():
    # Columns alternate; bilinear picking would keep stripes or a single shade.
    stripes = np.zeros([112, 112], np.uint8)
    stripes[:, ::2] = 200

    image = _decoded(_encoded(stripes))[0, ..., 0]

    np.testing.assert_allclose(image[2:-2, 2:-2], 100, atol=2)


def test_images_of_several_kinds_and_sizes_make_one_batch():
    grey, colour = _noise(28, 28), np.full([40, 20, 3], 128, np.uint8)

    images = _decoded(_encoded(grey), _encoded(colour, "JPEG"), _encoded(grey[:9]))

    assert images.shape == (3, 28, 28, 1)
    np.testing.assert_array_equal(images[0, ..., 0], grey)


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"not an image",
        _encoded(_noise(28, 28))[:40],
        _encoded(_noise(28, 28))[:-200],
        _encoded(_noise(28, 28), "JPEG")[:200],
    ],
    ids=["empty", "text", "png-header-only", "png-cut", "jpeg-cut"],
)
def test_what_does_not_decode_raises(damaged: bytes):
    with pytest.raises(tf.errors.InvalidArgumentError):
        _decoded(_encoded(_noise(28, 28)), damaged)


@pytest.mark.parametrize("sparse", [False, True])
def test_in_a_graph_shapes_and_types_are_known(sparse: bool):
    encoded = [[_encoded(image)] for image in _noise(3, 28, 28)]
    labels = [[0], [5], [0]]
    traced = {}

    @tf.function
    def transform(
        image: tf.Tensor | tf.SparseTensor, label: tf.Tensor | tf.SparseTensor
    ) -> dict[str, tf.Tensor]:
        outputs = preprocessing.preprocessing_fn(
            {"image": image, "label": label}, CONFIG
        )
        traced.update({name: value.shape for name, value in outputs.items()})
        return outputs

    image, label = tf.constant(encoded), tf.constant(labels, tf.int64)
    if sparse:
        places = [[row, 0] for row in range(3)]
        image = tf.SparseTensor(places, tf.reshape(image, [-1]), [3, 1])
        label = tf.SparseTensor(places, tf.reshape(label, [-1]), [3, 1])
        signature = [
            tf.SparseTensorSpec([None, 1], tf.string),
            tf.SparseTensorSpec([None, 1], tf.int64),
        ]
    else:
        signature = [
            tf.TensorSpec([None, 1], tf.string),
            tf.TensorSpec([None, 1], tf.int64),
        ]
    outputs = transform.get_concrete_function(*signature)(image, label)

    assert set(outputs) == {"image_7", "image_14", "image_28", "label"}
    for size in (7, 14, 28):
        name = f"image_{size}"
        assert traced[name].as_list() == [None, size, size, 1]
        assert outputs[name].dtype == tf.float32
        assert outputs[name].shape == [3, size, size, 1]
    assert outputs["label"].dtype == tf.int64
    np.testing.assert_array_equal(outputs["label"], [0, 5, 0])
    np.testing.assert_allclose(
        outputs["image_28"], _noise(3, 28, 28)[..., None] / 127.5 - 1, atol=1e-6
    )
