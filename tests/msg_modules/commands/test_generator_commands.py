"""`msg-gan sample`, `interpolate`, `sheet` and `info` on a pushed generator."""

from __future__ import annotations

import pathlib
import re
import shutil
import signal
from collections.abc import Callable

import imageio.v3
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from msg_modules import cli
from msg_modules.commands import outputs
from msg_modules.generator import sampling

CELL, MARGIN, PITCH = 56, 4, 58


@pytest.fixture(scope="module")
def generator(serving_dir: pathlib.Path) -> sampling.Generator:
    return sampling.load_generator(serving_dir)


def _run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def _fails(capsys: pytest.CaptureFixture, status: int, *arguments: object) -> str:
    """Runs the command, which must fail with one line; returns the line."""
    assert _run(*arguments) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    return line


def _levels(images: np.ndarray) -> np.ndarray:
    return (images.astype(np.float64) + 1) * 127.5


@pytest.mark.parametrize(
    ("scale", "sizes"), [("all", (7, 14, 28)), ("14", (14,))], ids=["all", "14"]
)
def test_sample_writes_an_archive_of_more_than_a_picture_holds(
    serving_dir: pathlib.Path,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    generator: sampling.Generator,
    scale: str,
    sizes: tuple[int, ...],
):
    output = tmp_path / "new" / "images.npz"
    count = 300
    monkeypatch.setattr(outputs, "_MAX_PICTURES", 100)

    status = _run(
        "sample", "--model", serving_dir, "--output", output, "--num-images", count,
        "--seed", 5, "--scale", scale,
    )  # fmt: skip

    assert status == 0
    assert capsys.readouterr().out == f"{output}: {count:,} images\n"
    pyramid = dict(zip((7, 14, 28), generator.sample(count, 5), strict=True))
    with np.load(output) as archive:
        assert set(archive) == {f"image_{size}" for size in sizes}
        for size in sizes:
            images = archive[f"image_{size}"]
            assert (images.dtype, images.shape) == (np.uint8, (count, size, size, 1))
            np.testing.assert_allclose(images, _levels(pyramid[size]), atol=0.51)
    assert list(output.parent.iterdir()) == [output]


def test_an_archive_is_overwritten_only_when_forced(
    serving_dir: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture
):
    output = tmp_path / "images.npz"
    output.write_bytes(b"precious")
    arguments = ["sample", "--model", serving_dir, "--output", output]

    assert "--force" in _fails(capsys, 2, *arguments)
    assert output.read_bytes() == b"precious"
    assert _run(*arguments, "--force") == 0
    assert len(np.load(output)["image_28"]) == 64


def test_an_archive_that_cannot_be_written_is_a_failed_run(
    serving_dir: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture
):
    (tmp_path / "file").touch()
    output = tmp_path / "file" / "images.npz"

    line = _fails(capsys, 1, "sample", "--model", serving_dir, "--output", output)

    assert "images.npz' cannot be written" in line


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_archive_leaves_nothing(
    number: signal.Signals,
    serving_dir: pathlib.Path,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
):
    def interrupt(self: object, *arguments: object) -> None:
        signal.raise_signal(number)

    monkeypatch.setattr(sampling.Generator, "generate", interrupt)
    # A shell starts what runs in the background with SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))

    line = _fails(
        capsys,
        128 + number,
        *("sample", "--model", serving_dir, "--output", tmp_path / "i.npz"),
    )

    assert "Interrupted. Nothing was written." in line
    assert list(tmp_path.iterdir()) == []


def test_truncation_draws_the_same_images_nearer_to_the_average(
    serving_dir: pathlib.Path, tmp_path: pathlib.Path, generator: sampling.Generator
):
    output = tmp_path / "images.npz"

    arguments = ["--num-images", "5", "--seed", "2", "--truncation", "0.5"]
    assert _run("sample", "--model", serving_dir, "--output", output, *arguments) == 0

    wanted = generator.sample(5, 2, truncation=0.5)[2]
    np.testing.assert_allclose(np.load(output)["image_28"], _levels(wanted), atol=0.51)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("sample --output i.npz --num-images 0", "num_images is 0"),
        (f"sample --output i.npz --num-images {2**31}", "between 1 and 2147483647"),
        ("sample --output g.png --truncation 2", "truncation is 2.0"),
        ("sample --output g.png --truncation nan", "truncation is nan"),
        ("interpolate --output w.gif --seeds 1", "at least two"),
        ("interpolate --output w.gif --steps 1", "steps is 1"),
        ("interpolate --output w.gif --seeds 0 1 2 --steps 5001", "2 and 5000"),
        (f"interpolate --output w.gif --seeds 0 {2**63}", "64-bit"),
        ("interpolate --output w.txt", "walk.gif, walk.png or walk.npz"),
        ("sheet --output s.txt", "sheet.png"),
        ("sheet --output s.png --run nowhere", "completed Transform"),
        ("sheet --output s.png --num-images 10001", "10000"),
    ],
)
def test_wrong_arguments_are_named_before_a_model_is_looked_for(
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    arguments: str,
    words: str,
):
    monkeypatch.chdir(tmp_path)

    assert words in _fails(capsys, 2, *arguments.split(), "--model", "none")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "output"),
    [("interpolate", "walk.gif"), ("interpolate", "walk.npz"), ("sheet", "sheet.png")],
)
def test_no_command_overwrites_unasked(
    serving_dir: pathlib.Path,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture,
    command: str,
    output: str,
):
    path = tmp_path / output
    path.write_bytes(b"precious")
    arguments = [command, "--model", serving_dir, "--output", path]

    assert "--force" in _fails(capsys, 2, *arguments)
    assert path.read_bytes() == b"precious"
    assert _run(*arguments, "--force") == 0
    assert path.read_bytes() != b"precious"


def _interpolate(serving_dir: pathlib.Path, output: pathlib.Path, *more: object) -> int:
    return _run("interpolate", "--model", serving_dir, "--output", output, *more)


def test_interpolate_leads_through_the_images_of_its_seeds(
    serving_dir: pathlib.Path, tmp_path: pathlib.Path, generator: sampling.Generator
):
    output = tmp_path / "walk.npz"

    assert (
        _interpolate(serving_dir, output, *["--seeds", "3", "4", "3", "--steps", "5"])
        == 0
    )

    images = np.load(output)["image_28"]
    assert images.shape == (9, 28, 28, 1)
    for place, seed in ((0, 3), (4, 4), (8, 3)):
        wanted = _levels(generator.sample(1, seed)[2][0])
        np.testing.assert_allclose(images[place], wanted, atol=0.51)
    # Back on the way it came.
    np.testing.assert_allclose(images[:4].astype(int), images[:4:-1], atol=1)
    assert len(np.unique(images[:5], axis=0)) == 5


def test_a_straight_interpolation_goes_through_the_middle(
    serving_dir: pathlib.Path, tmp_path: pathlib.Path, generator: sampling.Generator
):
    from msg_modules.generator import latents

    ends = [latents.draw_latents(1, 8, seed, 0.5) for seed in (0, 1)]
    middle = _levels(generator.generate((ends[0] + ends[1]) / 2)[0])

    output = tmp_path / "walk.npz"
    more = ["--steps", "3", "--straight", "--truncation", "0.5", "--scale", "7"]
    assert _interpolate(serving_dir, output, *more) == 0

    np.testing.assert_allclose(np.load(output)["image_7"][[1]], middle, atol=0.51)


@pytest.mark.parametrize("name", ["walk.gif", "walk.mp4"])
def test_an_animation_shows_the_images_one_after_the_other(
    serving_dir: pathlib.Path,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture,
    name: str,
):
    output = tmp_path / name

    assert _interpolate(serving_dir, output, "--steps", 6, "--scale", "all") == 0

    assert capsys.readouterr().out == f"{output}: 6 images\n"
    plugin, index = ("pyav", ...) if name.endswith("mp4") else ("pillow", None)
    frames = imageio.v3.imread(output, plugin=plugin, index=index).astype(int)
    if frames.ndim == 4:
        frames = frames.mean(axis=-1)
    assert frames.shape[0] == 6
    assert _interpolate(serving_dir, tmp_path / "w.npz", "--steps", 6) == 0
    for frame, image in zip(
        frames, np.load(tmp_path / "w.npz")["image_28"][..., 0], strict=True
    ):
        # The third scale, each of its pixels enlarged 2 and then 4 times.
        top = 4 * (MARGIN + 2 * PITCH)
        cell = frame[top : top + 4 * CELL, 4 * MARGIN : 4 * (MARGIN + CELL)]
        shown = cell.reshape(28, 8, 28, 8).mean(axis=(1, 3))
        assert np.abs(shown - image).mean() < 6
    assert {path.name for path in tmp_path.iterdir()} == {name, "w.npz"}


def test_a_picture_has_the_interpolation_in_a_row(
    serving_dir: pathlib.Path, tmp_path: pathlib.Path
):
    output = tmp_path / "walk.png"

    assert (
        _interpolate(serving_dir, output, *["--seeds", "0", "1", "2", "--steps", "5"])
        == 0
    )

    # Nine images: five, and the four that are new on the second way.
    assert PIL.Image.open(output).size == (8 + 5 * PITCH, 8 + 2 * (PITCH + 4))


@pytest.mark.parametrize("has_run", [False, True])
def test_sheet_shows_training_images_beside_the_generators(
    serving_dir: pathlib.Path,
    tmp_path: pathlib.Path,
    make_pyramids: Callable,
    write_examples: Callable,
    generator: sampling.Generator,
    has_run: bool,
):
    run, output = tmp_path / "run", tmp_path / "sheet.png"
    examples = run / "Transform/transformed_examples/5/Split-train/part.gz"
    write_examples(examples, make_pyramids(12, seed=1))
    more = ["--run", run] if has_run else []

    status = _run(
        "sheet", "--model", serving_dir, "--output", output, *more,
        "--num-images", 10, "--seed", 3,
    )  # fmt: skip

    assert status == 0
    pixels = np.asarray(PIL.Image.open(output)).astype(int)
    width = 2 * MARGIN + 10 * PITCH
    assert pixels.shape[1] == width * (1 + has_run)
    caption = pixels.shape[0] - (2 * MARGIN + 3 * PITCH + 4)
    wanted = [generator.sample(1, 3)[0][0], make_pyramids(12, seed=1)[0][0]]
    for place, image in enumerate(wanted[: 1 + has_run][::-1]):
        left, top = place * width + MARGIN, caption + MARGIN
        cell = pixels[top : top + CELL, left : left + CELL]
        drawn = cell.reshape(7, 8, 7, 8).mean(axis=(1, 3))
        np.testing.assert_allclose(drawn, _levels(image[..., 0]), atol=0.6)


def test_info_tells_what_a_user_has_to_know(
    serving_dir: pathlib.Path, capsys: pytest.CaptureFixture
):
    assert _run("info", "--model", serving_dir) == 0

    text = capsys.readouterr().out
    assert text.splitlines()[0] == str(serving_dir / "7")
    assert re.search(
        r"serving_default\(latents: float32 \[N, 8\]\) -> image_7: float32 \[N, 7, 7,"
        r" 1\], image_14: float32 \[N, 14, 14, 1\], image_28: float32 \[N, 28, 28, 1\]",
        text,
    )
    assert "sample(seed: int64 [], num_images: int32 []) ->" in text
    loaded = tf.saved_model.load(str(serving_dir / "7"))
    variables = loaded.signatures["serving_default"].variables
    count = sum(int(np.prod(variable.shape)) for variable in variables)
    assert re.search(rf"parameters +{count:,}\n", text)
    assert f"by TensorFlow {tf.__version__}" in text


_CARD = """---
license: apache-2.0
tags: [gan, images]
training:
  steps: 1500
model-index:
- name: msg-gan
  results:
  - task: {type: unconditional-image-generation}
    dataset: {type: stripes, name: "stripes:1.0.0"}
    metrics:
    - {type: frechet_28, name: Frechet distance 28x28, value: 1.25}
    - {type: coverage, value: 0.5}
---
# The generator
"""


def test_info_prints_the_figures_of_the_model_card(
    serving_dir: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture
):
    shutil.copytree(serving_dir / "7", tmp_path / "8")
    (tmp_path / "8" / "README.md").write_text(_CARD)

    assert _run("info", "--model", tmp_path) == 0

    words = [line.split("  ") for line in capsys.readouterr().out.splitlines()[1:]]
    found = {line[1]: line[-1].strip() for line in words}
    assert found["Frechet distance 28x28"] == "1.25"
    assert found["coverage"] == "0.5"
    assert found["dataset"] == "stripes:1.0.0"
    assert found["training.steps"] == "1500"
    assert found["tags"] == "gan, images"


@pytest.mark.parametrize(
    "card", ["", "# no front matter", "---\n: [\n---\n", "---\n3\n---\n"]
)
def test_info_does_without_a_card_that_it_cannot_read(
    serving_dir: pathlib.Path,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture,
    card: str,
):
    shutil.copytree(serving_dir / "7", tmp_path / "8")
    (tmp_path / "8" / "README.md").write_text(card)

    assert _run("info", "--model", tmp_path / "8") == 0

    assert "front matter of README.md cannot be read" in capsys.readouterr().out


def test_info_of_no_model_says_what_to_name(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture
):
    assert str(tmp_path) in _fails(capsys, 2, "info", "--model", tmp_path)
