"""What `msg-gan explore` answers a page, against NumPy; and what it refuses."""

from __future__ import annotations

import base64
import contextlib
import io
import pathlib
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import PIL.Image
import pytest
import requests
import tensorflow as tf
from eight_bits import examples_of

from msg_modules import cli
from msg_modules.data.class_spec import ClassSpec
from msg_modules.generator import codes, latents, sampling
from msg_modules.pictures import sheets

pytest.importorskip("fastapi")
import fastapi
import uvicorn

from msg_modules.explorer import app, directions, real_images

LATENT_DIM = 8
SEED = {"num_images": 5, "seed": 3, "truncation": 0.7}


@pytest.fixture(scope="module")
def generator(serving_dir: pathlib.Path) -> sampling.Generator:
    return sampling.load_generator(serving_dir)


@pytest.fixture(scope="module")
def axes() -> np.ndarray:
    """Any orthonormal directions; those of the generator are tested apart."""
    square = np.random.default_rng(1).normal(size=[LATENT_DIM, LATENT_DIM])
    return np.linalg.qr(square)[0][:3].astype(np.float32)


@pytest.fixture(scope="module")
def training_images(make_pyramids: Callable) -> np.ndarray:
    return make_pyramids(30, seed=4)[-1]


@contextlib.contextmanager
def _serving(page: fastapi.FastAPI) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(page, log_level="critical"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def url(
    generator: sampling.Generator, axes: np.ndarray, training_images: np.ndarray
) -> Iterator[str]:
    real = real_images.RealImages(examples_of(training_images))
    with _serving(app.create_app(generator, axes, real)) as address:
        yield address


@pytest.fixture(scope="module")
def class_url(conditional: sampling.Generator, axes: np.ndarray) -> Iterator[str]:
    """The address of a page with a conditional generator."""
    padded = np.pad(axes, [(0, 0), (0, 3)])
    with _serving(app.create_app(conditional, padded, None)) as address:
        yield address


def _get(url: str, path: str, **values: object) -> requests.Response:
    answer = requests.get(f"{url}/{path}", params=values, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer


def _spell(latent: np.ndarray) -> str:
    return ",".join(map(str, latent.tolist()))


def _pixels(content: bytes | str) -> np.ndarray:
    """A picture's grey values, from a file's content or an address that holds it."""
    if isinstance(content, str):
        content = base64.b64decode(content.removeprefix("data:image/png;base64,"))
    return np.asarray(PIL.Image.open(io.BytesIO(content)).convert("L")).astype(int)


def _assert_shows(shown: np.ndarray, image: np.ndarray, size: int = 28) -> None:
    """Each pixel of an image is a square of one grey value."""
    factor = len(shown) // size
    squares = shown.reshape(size, factor, size, factor)
    assert np.ptp(squares, axis=(1, 3)).max() == 0
    levels = (image[..., 0].astype(np.float64) + 1) * 127.5
    np.testing.assert_allclose(squares[:, 0, :, 0], levels, atol=0.6)


class _Linear:
    """A generator whose images are a matrix product of the codes."""

    latent_dim = 4
    path = pathlib.Path("linear/1")

    def __init__(self, matrix: np.ndarray):
        self._matrix = matrix

    def draw_codes(self, num_images: int) -> np.ndarray:
        shares = (0.7, 0.3)[: len(self._matrix) - self.latent_dim]
        classes = ClassSpec(tuple("ab"[: len(shares)]), shares)
        return codes.draw_codes(num_images, self.latent_dim, classes)

    def generate(self, drawn: np.ndarray) -> list[np.ndarray]:
        return [(drawn @ self._matrix).reshape(-1, 4, 4, 1)]


@pytest.mark.parametrize("num_classes", [0, 2])
def test_the_directions_of_a_linear_generator_are_its_singular_vectors(
    num_classes: int,
):
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=[4, 4]))[0]
    targets = np.linalg.qr(rng.normal(size=[16, 4]))[0]
    # The rows of `turn` are what the generator is most sensitive to, in that order.
    matrix = (turn.T * [8.0, 4.0, 2.0, 1.0]) @ targets.T
    # Classes differ more than anything else, but latents do not choose them.
    matrix = np.concatenate([matrix, 50 * rng.normal(size=[num_classes, 16])])

    found = directions.find_directions(_Linear(matrix.astype(np.float32)), most=3)

    assert found.shape == (3, 4 + num_classes)
    assert not np.any(found[:, 4:])
    agreement = np.abs(found[:, :4] @ turn.T)
    np.testing.assert_allclose(agreement, np.eye(4)[:3], atol=0.1)


def test_the_directions_of_any_generator_are_orthonormal(generator: sampling.Generator):
    found = directions.find_directions(generator)

    assert found.dtype == np.float32
    np.testing.assert_allclose(found @ found.T, np.eye(LATENT_DIM), atol=1e-5)


def test_samples_are_those_of_the_seed(url: str, generator: sampling.Generator):
    answer = _get(url, "samples", **SEED).json()

    wanted = generator.sample(5, 3, 0.7)[-1]
    for shown, image in zip(answer["images"], wanted, strict=True):
        _assert_shows(_pixels(shown), image)
    expected = latents.draw_latents(5, LATENT_DIM, 3, 0.7)
    np.testing.assert_allclose(answer["codes"], expected, rtol=1e-6)


@pytest.mark.parametrize(("scale", "first"), [("28", 2), ("all", 0)])
def test_the_sheet_of_a_seed_is_that_of_sample(
    url: str, generator: sampling.Generator, scale: str, first: int
):
    answer = _get(url, "samples.png", scale=scale, **SEED)

    assert answer.headers["content-type"] == "image/png"
    wanted = sheets.pyramid_sheet(generator.sample(5, 3, 0.7)[first:], 5)
    np.testing.assert_allclose(_pixels(answer.content), np.asarray(wanted), atol=1)


def test_an_image_has_three_scales(url: str, generator: sampling.Generator):
    latent = latents.draw_latents(1, LATENT_DIM, 9)
    wanted = generator.generate(latent)

    scales = _get(url, "image", code=_spell(latent[0])).json()["scales"]
    picture = _pixels(_get(url, "image.png", code=_spell(latent[0])).content)

    assert picture.shape == (280, 3 * 280 + 2 * 8)
    for place, (shown, scale) in enumerate(zip(scales, wanted, strict=True)):
        size = scale.shape[1]
        assert _pixels(shown).shape == (size, size)
        _assert_shows(_pixels(shown), scale[0], size)
        left = place * 288
        _assert_shows(picture[:, left : left + 280], scale[0], size)


def test_the_map_shows_the_plane(
    url: str, generator: sampling.Generator, axes: np.ndarray
):
    centre = latents.draw_latents(1, LATENT_DIM, 9)[0]

    answer = _get(url, "map", code=_spell(centre), across=2, up=0).json()

    mosaic = _pixels(answer["image"])
    assert mosaic.shape == (13 * 28, 13 * 28)
    for row, column, right, top in ((0, 0, -3, 3), (6, 6, 0, 0), (10, 9, 1.5, -2)):
        image = generator.generate([centre + right * axes[2] + top * axes[0]])[-1][0]
        tile = mosaic[row * 28 : row * 28 + 28, column * 28 : column * 28 + 28]
        _assert_shows(tile, image)


def test_a_walk_leads_along_the_sphere(url: str, generator: sampling.Generator):
    start, end = latents.draw_latents(2, LATENT_DIM, 1)
    arguments = {"start": _spell(start), "end": _spell(end), "steps": 5}

    answer = _get(url, "walk", **arguments).json()
    row = _pixels(_get(url, "walk.png", **arguments).content)
    gif = PIL.Image.open(io.BytesIO(_get(url, "walk.gif", **arguments).content))

    way = np.array(answer["codes"])
    np.testing.assert_allclose(way[[0, -1]], [start, end], atol=1e-6)
    lengths = np.linalg.norm([start, end], axis=1)
    np.testing.assert_allclose(
        np.linalg.norm(way, axis=1), np.linspace(*lengths, 5), rtol=1e-5
    )
    assert gif.n_frames == 5
    for step, image in enumerate(generator.generate(way)[-1]):
        _assert_shows(_pixels(answer["images"][step]), image)
        _assert_shows(row[4:60, 4 + 58 * step : 60 + 58 * step], image)
        gif.seek(step)
        _assert_shows(np.asarray(gif.convert("L")).astype(int), image)


def test_neighbours_are_the_nearest_training_images(
    url: str, generator: sampling.Generator, training_images: np.ndarray
):
    latent = latents.draw_latents(1, LATENT_DIM, 2)
    image = generator.generate(latent)[-1][0].astype(np.float64)
    differences = np.sqrt(np.mean((training_images - image) ** 2, axis=(1, 2, 3))) / 2
    nearest = np.argsort(differences)[:8]

    answer = _get(url, "neighbours", code=_spell(latent[0])).json()

    np.testing.assert_allclose(answer["differences"], differences[nearest], rtol=1e-4)
    for shown, index in zip(answer["images"], nearest, strict=True):
        _assert_shows(_pixels(shown), training_images[index])


def test_real_images_are_shown_as_they_come(url: str, training_images: np.ndarray):
    shown = _get(url, "real", num_images=7).json()["images"]
    sheet = _pixels(_get(url, "real.png", num_images=240).content)

    assert len(shown) == 7
    _assert_shows(_pixels(shown[6]), training_images[6])
    wanted = sheets.pyramid_sheet([training_images], 8)
    np.testing.assert_array_equal(sheet, np.asarray(wanted))


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("image?code=1,2", 400, "[1, 2]; it must be [N, 8]"),
        ("image?code=a", 400, "not an array of numbers"),
        ("image?code=1,2,3,4,5,6,7,nan", 400, "NaN"),
        ("map?code=1,2,3,4,5,6,7,8&across=0&up=3", 400, "between 0 and 2"),
        ("samples?num_images=1&seed=0&truncation=1&label=0", 400, "unconditional"),
        ("samples?num_images=257&seed=0&truncation=1", 422, "256"),
        ("samples?num_images=1&seed=0&truncation=1.1", 422, "truncation"),
        (f"samples?num_images=1&seed={2**63}&truncation=1", 422, "seed"),
        ("walk?start=1&end=1&steps=1000000", 422, "64"),
        ("%2e%2e/app.py", 404, "Not Found"),
    ],
)
def test_a_wrong_request_is_refused(url: str, path: str, status: int, words: str):
    answer = requests.get(f"{url}/{path}", timeout=30)

    assert (answer.status_code, words in answer.text) == (status, True), answer.text


def test_a_page_is_told_of_the_classes(url: str, class_url: str):
    about, without = (_get(address, "about").json() for address in (class_url, url))

    assert about["classes"] == ["Bag", "Ankle boot", "T-shirt/top"]
    assert without["classes"] == []
    assert about["latent_dim"] == without["latent_dim"] == LATENT_DIM


@pytest.mark.parametrize("label", [None, 1])
def test_samples_are_those_of_the_class(
    class_url: str, conditional: sampling.Generator, label: int | None
):
    asked = {**SEED, "label": label}

    answer = _get(class_url, "samples", **asked).json()
    sheet = _get(class_url, "samples.png", scale="largest", **asked)

    expected = conditional.draw_codes(5, 3, 0.7, label)
    np.testing.assert_allclose(answer["codes"], expected, rtol=1e-6)
    wanted = conditional.sample(5, 3, 0.7, label)[-1]
    for shown, image in zip(answer["images"], wanted, strict=True):
        _assert_shows(_pixels(shown), image)
    picture = np.asarray(sheets.pyramid_sheet([wanted], 5))
    np.testing.assert_allclose(_pixels(sheet.content), picture, atol=1)


def test_a_walk_leads_from_class_to_class(
    class_url: str, conditional: sampling.Generator
):
    start = conditional.draw_codes(1, 1, label=0)[0]
    end = conditional.draw_codes(1, 2, label=2)[0]
    arguments = {"start": _spell(start), "end": _spell(end), "steps": 3}

    answer = _get(class_url, "walk", **arguments).json()

    way = np.array(answer["codes"])
    np.testing.assert_allclose(way[[0, 2]], [start, end], atol=1e-6)
    np.testing.assert_allclose(way[1, 8:], [0.5, 0, 0.5], atol=1e-6)
    for shown, image in zip(
        answer["images"], conditional.generate(way)[-1], strict=True
    ):
        _assert_shows(_pixels(shown), image)


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("samples?num_images=1&seed=0&truncation=1&label=3", 400, "one of Bag"),
        ("samples?num_images=1&seed=0&truncation=1&label=-1", 422, "label"),
        ("samples?num_images=1&seed=0&truncation=1&label=Bag", 422, "label"),
        ("image?code=1,2,3,4,5,6,7,8", 400, "must be [N, 11]"),
    ],
)
def test_a_wrong_class_is_refused(class_url: str, path: str, status: int, words: str):
    answer = requests.get(f"{class_url}/{path}", timeout=30)

    assert (answer.status_code, words in answer.text) == (status, True), answer.text


def test_an_answer_belongs_to_this_model_and_this_page(url: str):
    headers = _get(url, "").headers

    assert headers["cache-control"] == "no-store"
    assert "default-src 'self'" in headers["content-security-policy"]


def _fails(capsys: pytest.CaptureFixture, *arguments: object) -> tuple[int, str]:
    """Runs the command; returns its status and the one line that says why."""
    status = cli.main(["explore", *map(str, arguments)])
    (line,) = capsys.readouterr().err.splitlines()
    return status, line


def test_no_model_is_named(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture):
    status, line = _fails(capsys, "--model", tmp_path, "--port", 0)

    assert (status, str(tmp_path) in line) == (2, True)


def test_a_run_without_examples_is_named(
    serving_dir: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture
):
    status, line = _fails(capsys, "--model", serving_dir, "--run", tmp_path)

    assert (status, "completed Transform" in line) == (2, True)


def test_a_port_that_is_taken_is_named(
    serving_dir: pathlib.Path, capsys: pytest.CaptureFixture
):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        status, line = _fails(capsys, "--model", serving_dir, "--port", port)

    assert (status, f"Cannot listen on 127.0.0.1:{port}" in line) == (1, True)
    assert "another --port" in line
    assert _fails(capsys, "--model", serving_dir, "--port", 70000)[0] == 2


def test_without_the_extra_it_is_named(
    serving_dir: pathlib.Path,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setitem(sys.modules, "uvicorn", None)

    status, line = _fails(capsys, "--model", serving_dir)

    assert (status, "uv sync --extra explore" in line) == (2, True)


def test_a_generator_that_draws_nan_is_named(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture
):
    model = tf.Module()
    sizes = (7, 14, 28)

    def draw(count: tf.Tensor) -> dict[str, tf.Tensor]:
        return {
            f"image_{size}": tf.fill([count, size, size, 1], float("nan"))
            for size in sizes
        }

    signatures = {
        "serving_default": tf.function(
            lambda latents: draw(tf.shape(latents)[0]),
            [tf.TensorSpec([None, 8], name="latents")],
        ),
        "sample": tf.function(
            lambda num_images, seed: draw(num_images),
            [
                tf.TensorSpec([], tf.int32, "num_images"),
                tf.TensorSpec([], tf.int64, "seed"),
            ],
        ),
    }
    tf.saved_model.save(model, str(tmp_path / "1"), signatures)

    status, line = _fails(capsys, "--model", tmp_path, "--port", 0)

    assert (status, "produces NaN" in line) == (1, True)
