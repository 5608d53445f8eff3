"""A folder of images becomes a TFDS dataset, or an error that says what is wrong."""

from __future__ import annotations

import io
import os
import pathlib
from collections.abc import Callable

import numpy as np
import PIL.Image
import pytest

from components.tfds_example_gen import sources
from components.tfds_example_gen.builders import image_folder
from msg_modules.common.errors import RunError


def _picture(seed: int, size: tuple[int, int] = (20, 20), mode: str = "RGB"):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return PIL.Image.fromarray(pixels).convert(mode)


def _fill(folder: pathlib.Path, num: int, *, first: int = 0, suffix: str = "png"):
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(first, first + num):
        _picture(seed).save(folder / f"{seed:03}.{suffix}")


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "Größe [1] of shoes"


@pytest.fixture
def data_dir(tmp_path: pathlib.Path) -> pathlib.Path:
    directory = tmp_path / "tfds"
    directory.mkdir()
    return directory


@pytest.fixture
def prepare(data_dir: pathlib.Path) -> Callable[..., str]:
    def prepare(folder: pathlib.Path, max_broken: float = 0.0) -> str:
        return sources.prepare_folder(str(folder), str(data_dir), max_broken)

    return prepare


def _read(dataset: str, data_dir: pathlib.Path) -> dict[str, list[dict]]:
    builder = sources.load_builder(dataset, str(data_dir))
    return {
        split: list(builder.as_dataset(split).as_numpy_iterator())
        for split in ("train", "test")
    }


def _refusal(prepare: Callable[..., str], *args) -> str:
    with pytest.raises(RunError) as caught:
        prepare(*args)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_sub_folders_are_classes(folder, data_dir, prepare):
    _fill(folder / "boots" / "old", 30)
    _fill(folder / "sandals", 30, first=100, suffix="webp")

    dataset = prepare(folder)

    builder = sources.load_builder(dataset, str(data_dir))
    assert builder.info.features["label"].names == ["boots", "sandals"]
    assert builder.info.features["image"].shape == (20, 20, 3)
    images = _read(dataset, data_dir)
    assert len(images["train"]) + len(images["test"]) == 60
    assert len(images["train"]) > 40
    assert sum(example["label"] for part in images.values() for example in part) == 30


def test_a_flat_folder_has_no_labels_and_keeps_its_pixels(folder, data_dir, prepare):
    _fill(folder, 40)

    dataset = prepare(folder)

    builder = sources.load_builder(dataset, str(data_dir))
    assert sources.feature_keys(builder) == ("image", None)
    images = _read(dataset, data_dir)
    seen = {e["image"].tobytes() for part in images.values() for e in part}
    assert seen == {np.asarray(_picture(seed)).tobytes() for seed in range(40)}


def test_new_files_prepare_it_again_and_move_no_others(folder, data_dir, prepare):
    _fill(folder, 40)
    before = prepare(folder)
    assert prepare(folder) == before
    _fill(folder, 20, first=40)

    after = prepare(folder)

    assert after != before
    old, new = (
        {
            split: {example["image"].tobytes() for example in examples}
            for split, examples in _read(dataset, data_dir).items()
        }
        for dataset in (before, after)
    )
    assert old["train"] < new["train"]
    assert old["test"] <= new["test"]


def test_a_changed_file_prepares_it_again(folder, prepare):
    _fill(folder, 40)
    before = prepare(folder)
    _picture(99).save(folder / "000.png")
    os.utime(folder / "000.png", (1, 1))

    assert prepare(folder) != before


def test_sizes_that_differ_leave_the_shape_open(folder, data_dir, prepare):
    _fill(folder, 40)
    _picture(99, (30, 20), "L").save(folder / "wide.jpg")

    builder = sources.load_builder(prepare(folder), str(data_dir))

    assert builder.info.features["image"].shape == (None, None, 3)


def test_grey_images_have_one_channel(folder, data_dir, prepare):
    folder.mkdir()
    for seed in range(40):
        _picture(seed, mode="L").save(folder / f"{seed}.png")

    builder = sources.load_builder(prepare(folder), str(data_dir))

    assert builder.info.features["image"].shape == (20, 20, 1)


def test_broken_files_are_skipped_and_named_up_to_a_limit(
    folder, data_dir, prepare, capsys
):
    _fill(folder, 40)
    (folder / "text.png").write_text("no image")
    whole = (folder / "007.png").read_bytes()
    (folder / "007.png").write_bytes(whole[: len(whole) // 2])

    message = _refusal(prepare, folder, 0.02)
    assert "text.png: not an image" in message
    assert "2 of 41" in message or "1 of 41" in message
    assert message.endswith("use a larger --data.max-broken.")

    images = _read(prepare(folder, 0.05), data_dir)

    assert len(images["train"]) + len(images["test"]) == 39
    said = capsys.readouterr().out
    assert "2 file(s)" in said
    assert "007.png" in said


def test_a_folder_without_images_is_refused(folder, prepare):
    folder.mkdir()
    (folder / "notes.txt").touch()
    (folder / ".hidden.png").touch()

    assert "no images" in _refusal(prepare, folder)


def test_a_folder_with_one_image_is_refused(folder, prepare):
    _fill(folder, 1)

    assert "has only 1 image(s)" in _refusal(prepare, folder)


def test_a_folder_of_broken_files_is_refused(folder, prepare):
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.jpg").write_bytes(b"broken")

    message = _refusal(prepare, folder)

    assert "5 of 5 image files" in message
    assert "0.jpg: not an image; 1.jpg" in message


def test_images_beside_class_folders_are_refused(folder, prepare):
    _fill(folder / "boots", 3)
    _fill(folder / "sandals", 3)
    _fill(folder, 2)

    assert "2 image(s) lie beside them" in _refusal(prepare, folder)


@pytest.mark.parametrize("place", ["missing", "file", "gs://bucket/shoes"])
def test_what_is_not_a_folder_is_refused(place, tmp_path, prepare):
    (tmp_path / "file").touch()
    folder = place if "://" in place else tmp_path / place

    assert f"data.folder is {str(folder)!r}" in _refusal(prepare, folder)


def test_an_image_of_too_many_pixels_is_broken_without_being_decoded(folder, prepare):
    _fill(folder, 40)
    PIL.Image.new("1", (20_000, 20_000)).save(folder / "huge.png")

    message = _refusal(prepare, folder)

    assert "huge.png" in message
    assert "400000000 pixels" in message


def _converted(picture: PIL.Image.Image, kind: str, **options) -> PIL.Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return PIL.Image.open(io.BytesIO(image_folder.to_png(buffer.getvalue())))


def test_every_kind_of_image_becomes_a_plain_png():
    red = PIL.Image.new("RGB", (6, 4), (250, 10, 10))

    assert _converted(red.convert("CMYK"), "jpeg").mode == "RGB"
    palette = _converted(red.convert("P", palette=PIL.Image.Palette.ADAPTIVE), "png")
    assert palette.getpixel((0, 0)) == (250, 10, 10)
    clear = PIL.Image.new("RGBA", (6, 4), (1, 2, 3, 0))
    assert _converted(clear, "webp", lossless=True).getpixel((0, 0))[3] == 0
    assert _converted(PIL.Image.new("1", (6, 4), 1), "png").getpixel((0, 0)) == 255


def test_sixteen_bits_are_scaled():
    levels = np.linspace(0, 65535, 24).reshape(4, 6).astype(np.uint16)

    picture = _converted(PIL.Image.fromarray(levels), "png")

    np.testing.assert_array_equal(np.asarray(picture), np.rint(levels / 257))


def test_of_an_animation_the_first_frame_is_taken():
    frames = [PIL.Image.new("L", (6, 4), level) for level in (200, 50)]

    picture = _converted(frames[0], "gif", save_all=True, append_images=frames[1:])

    assert picture.convert("L").getpixel((0, 0)) == 200


def test_a_photo_is_turned_as_it_says():
    exif = PIL.Image.Exif()
    exif[0x0112] = 6

    assert _converted(_picture(0, (6, 4)), "jpeg", exif=exif).size == (4, 6)


def test_large_images_are_stored_smaller():
    picture = _converted(PIL.Image.new("L", (3000, 2000), 7), "png")

    assert picture.size == (1536, 1024)
    assert picture.getpixel((0, 0)) == 7
