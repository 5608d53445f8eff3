"""Whole runs on colour images, each to a pushed model."""

from __future__ import annotations

import json
import pathlib

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
import tiny_datasets
from local_pipeline import BLESS_ALL

from msg_modules import cli
from pipeline.local import command

pytestmark = pytest.mark.slow


def _run(root: pathlib.Path, data_dir: pathlib.Path, *flags: str) -> None:
    data_dir.mkdir(exist_ok=True)
    status = command.main(
        [
            *("--pipeline-root", str(root), "--data.data-dir", str(data_dir)),
            *("--train.steps", "4", "--train.batch-size", "8"),
            *("--train.report-every", "2", "--train.sample-every", "2"),
            *("--classifier.epochs", "1", "--evaluate.num-seeds", "1"),
            *BLESS_ALL,
            *flags,
        ]
    )
    assert status == 0


def _assert_pushed(root: pathlib.Path, sizes: tuple[int, ...]) -> None:
    """There is a generator of RGB images, and what belongs to it."""
    (version,) = (root / "serving").iterdir()
    generator = tf.saved_model.load(str(version))
    images = generator.signatures["sample"](
        num_images=tf.constant(2), seed=tf.constant(1, tf.int64)
    )
    assert {name: tuple(image.shape) for name, image in images.items()} == {
        f"image_{size}": (2, size, size, 3) for size in sizes
    }
    with PIL.Image.open(root / "latest" / "sheet.png") as sheet:
        assert sheet.mode == "RGB"
    card = (version / "README.md").read_text()
    assert f"Generates {sizes[-1]}x{sizes[-1]} RGB images" in card
    (report,) = (root / "GanEvaluator" / "evaluation").glob("*/report.html")
    assert f"Frechet distance, {sizes[-1]}x{sizes[-1]}" in report.read_text()


def _draw_folder(folder: pathlib.Path, num: int) -> None:
    rng = np.random.default_rng(0)
    for index in range(num):
        pixels = tiny_datasets.draw_tile(index % 3, rng, size=40)
        path = folder / f"part {index % 4}"
        path.mkdir(parents=True, exist_ok=True)
        picture = PIL.Image.fromarray(pixels)
        if index % 2:
            picture = picture.crop((0, 0, 40, 32))
        picture.save(path / f"ü{index}.{('png', 'jpg', 'webp')[index % 3]}")


def test_colour_data_of_tfds(tmp_path: pathlib.Path) -> None:
    _run(tmp_path / "root", tmp_path / "tfds", "--data.dataset", "tiles")

    _assert_pushed(tmp_path / "root", (8, 16, 32))
    serving, output = tmp_path / "root" / "serving", tmp_path / "grid.png"
    sample = ["sample", "--model", str(serving), "--output", str(output)]
    assert cli.main([*sample, "--num-images", "9", "--scale", "all"]) == 0
    with PIL.Image.open(output) as picture:
        assert picture.mode == "RGB"
    for kind in ("onnx", "tflite"):
        path = tmp_path / f"generator.{kind}"
        export = ["export", "--model", str(serving), "--format", kind]
        assert cli.main([*export, "--output", str(path)]) == 0


def test_five_scales_of_64_pixels(tmp_path: pathlib.Path) -> None:
    flags = ["--data.dataset", "large_tiles", "--data.scales", "5"]

    _run(tmp_path / "root", tmp_path / "tfds", *flags)

    _assert_pushed(tmp_path / "root", (4, 8, 16, 32, 64))


def test_a_folder_of_mixed_files_with_classes(tmp_path: pathlib.Path) -> None:
    _draw_folder(tmp_path / "my [best] images", 240)
    flags = ["--data.folder", str(tmp_path / "my [best] images")]

    _run(tmp_path / "root", tmp_path / "tfds", *flags, "--data.image-size", "32")

    _assert_pushed(tmp_path / "root", (8, 16, 32))


def test_a_flat_folder_is_judged_without_labels(tmp_path: pathlib.Path) -> None:
    _draw_folder(tmp_path / "images", 240)
    for path in list((tmp_path / "images").rglob("*.*")):
        path.rename(tmp_path / "images" / path.name)
    flags = ["--data.folder", str(tmp_path / "images"), "--data.image-size", "16"]

    _run(tmp_path / "root", tmp_path / "tfds", *flags, "--data.scales", "2")

    _assert_pushed(tmp_path / "root", (8, 16))
    (metrics,) = (tmp_path / "root" / "GanEvaluator" / "evaluation").glob(
        "*/metrics.json"
    )
    evaluation = json.loads(metrics.read_text())
    assert evaluation["extractor"]["task"] == "rotations"
    assert "frechet_16" in evaluation["figures"]
    assert "class_distance" not in evaluation["figures"]
    # The report and the card say what was done to the images.
    prepared = "cropped to the centre square from several sizes"
    assert prepared in evaluation["preparation"]
    assert prepared in metrics.with_name("report.html").read_text()
    (card,) = (tmp_path / "root" / "serving").glob("*/README.md")
    assert prepared in card.read_text()
