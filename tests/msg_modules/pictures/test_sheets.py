from __future__ import annotations

import pathlib
from collections.abc import Callable

import numpy as np
import PIL.Image
import pytest

from msg_modules.data import preprocessing
from msg_modules.pictures import sheets

SIZES = (7, 14, 28)
CELL = 56  # The common multiple of the sizes: every pixel is a whole square.


def test_bytes_survive_scaling_to_the_networks_range_and_back():
    levels = np.arange(256, dtype=np.float32)

    back = sheets.to_uint8(preprocessing.scale(levels))

    assert back.dtype == np.uint8
    np.testing.assert_array_equal(back, levels)


def test_values_beyond_the_range_are_clipped():
    np.testing.assert_array_equal(
        sheets.to_uint8(np.array([-7.0, -1.001, 1.001, 300.0])), [0, 0, 255, 255]
    )


def _constant(levels: list[int]) -> tuple[np.ndarray, ...]:
    """An image of one grey for each level; at the next scale one darker."""
    return tuple(
        np.stack(
            [np.full([size, size, 1], (level - place) / 127.5 - 1) for level in levels]
        )
        for place, size in enumerate(SIZES)
    )


def _blocks(sheet: PIL.Image.Image, levels: list[int]) -> list[tuple[int, int, int]]:
    """(level, top, left) of each square of one grey, checked to be whole."""
    pixels = np.asarray(sheet)
    found = []
    for level in levels:
        rows, columns = np.nonzero(pixels == level)
        top, left = rows.min(), columns.min()
        assert len(rows) == CELL * CELL
        assert np.all(pixels[top : top + CELL, left : left + CELL] == level)
        found.append((level, int(top), int(left)))
    return found


def test_a_sheet_shows_the_images_in_rows_and_their_scales_below_each_other():
    first = [200, 190, 180, 170, 160]

    sheet = sheets.pyramid_sheet(_constant(first), columns=3)

    assert sheet.mode == "L"
    place = {
        level: (top, left)
        for level, top, left in _blocks(
            sheet, [level - scale for level in first for scale in range(3)]
        )
    }
    # In a row from left to right, evenly.
    lefts = [place[level][1] for level in first]
    assert lefts[0] < lefts[1] < lefts[2]
    assert lefts[1] - lefts[0] == lefts[2] - lefts[1]
    assert lefts[3:] == lefts[:2]
    assert len({place[level][0] for level in first[:3]}) == 1
    # Smallest scale on top, the next row of images beneath the largest.
    for level in first:
        tops = [place[level - scale][0] for scale in range(3)]
        assert tops == sorted(tops)
        assert len({place[level - scale][1] for scale in range(3)}) == 1
    assert place[first[3]][0] > place[first[0] - 2][0] + CELL
    # Nothing is cut off, and nothing else is drawn.
    assert sheet.width >= lefts[2] + CELL
    assert sheet.height >= place[first[4] - 2][0] + CELL
    background = set(np.unique(sheet)) - {
        level - scale for level in first for scale in range(3)
    }
    assert len(background) == 1


@pytest.mark.parametrize("scale", range(3))
def test_pixels_are_enlarged_to_squares(make_pyramids: Callable, scale: int):
    images = make_pyramids(1)[scale]

    pixels = np.asarray(sheets.pyramid_sheet([images], columns=1)).astype(int)

    size = SIZES[scale]
    side = CELL // size
    wanted = np.rint((images[0, ..., 0].astype(np.float64) + 1) * 127.5).astype(int)
    for row in range(size):
        for column in range(size):
            top, left = 4 + row * side, 4 + column * side
            square = pixels[top : top + side, left : left + side]
            assert np.all(square == square[0, 0])
            assert abs(square[0, 0] - wanted[row, column]) <= 1


def test_pictures_stand_side_by_side_under_their_captions():
    left = PIL.Image.new("L", (120, 80), 10)
    right = PIL.Image.new("L", (90, 60), 250)

    sheet = sheets.side_by_side([left, right], ["one", "two"])

    pixels = np.asarray(sheet)
    caption = sheet.height - 80
    assert sheet.width == 210
    assert caption > 0
    np.testing.assert_array_equal(pixels[caption:, :120], np.asarray(left))
    np.testing.assert_array_equal(
        pixels[caption : caption + 60, 120:], np.asarray(right)
    )
    # Each caption is written above its own picture.
    assert np.any(pixels[:caption, :120] == 255)
    assert np.any(pixels[:caption, 120:] == 255)


def test_a_picture_is_written_whole_into_a_new_directory(tmp_path: pathlib.Path):
    path = tmp_path / "a" / "b" / "sheet.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"old")

    sheets.save_image(PIL.Image.new("L", (5, 4), 77), path)
    sheets.save_image(PIL.Image.new("L", (5, 4), 77), tmp_path / "new" / "sheet.png")

    assert [entry.name for entry in path.parent.iterdir()] == ["sheet.png"]
    for written in (path, tmp_path / "new" / "sheet.png"):
        assert np.all(np.asarray(PIL.Image.open(written)) == 77)


def test_a_picture_that_cannot_be_written_leaves_the_old_one(tmp_path: pathlib.Path):
    path = tmp_path / "sheet.jpg"
    sheets.save_image(PIL.Image.new("L", (8, 8), 77), path)

    with pytest.raises(OSError, match="RGBA"):
        sheets.save_image(PIL.Image.new("RGBA", (8, 8)), path)

    np.testing.assert_allclose(np.asarray(PIL.Image.open(path)), 77, atol=1)


@pytest.mark.parametrize("num_frames", [1, 2, 30, 400])
def test_an_animation_holds_every_picture_and_the_last_one_longest(
    tmp_path: pathlib.Path, num_frames: int
):
    frames = [
        PIL.Image.new("L", (6, 6), 20 + (number * 7) % 200)
        for number in range(num_frames)
    ]

    sheets.save_animation(frames, tmp_path / "training.gif")

    with PIL.Image.open(tmp_path / "training.gif") as animation:
        assert animation.format == "GIF"
        assert animation.n_frames == num_frames
        if num_frames > 1:
            assert animation.info["loop"] == 0
            levels, durations = [], []
            for number in range(num_frames):
                animation.seek(number)
                durations.append(animation.info["duration"])
                levels.append(int(np.asarray(animation.convert("L"))[0, 0]))
            assert levels == [20 + (number * 7) % 200 for number in range(num_frames)]
            assert len(set(durations[:-1])) == 1
            assert 40 <= durations[0] <= 8000
    assert [entry.name for entry in tmp_path.iterdir()] == ["training.gif"]


def test_an_animation_of_nothing_is_refused(tmp_path: pathlib.Path):
    with pytest.raises(ValueError, match="no picture"):
        sheets.save_animation([], tmp_path / "training.gif")


def test_the_sheets_of_a_training_are_read_in_the_order_of_the_steps(
    tmp_path: pathlib.Path,
):
    for level, step in ((30, 250), (10, 9), (20, 100), (40, 12_345_678)):
        sheets.save_image(
            PIL.Image.new("L", (3, 3), level), tmp_path / f"step-{step:08d}.png"
        )
    sheets.save_image(PIL.Image.new("L", (3, 3), 99), tmp_path / "real.png")
    (tmp_path / ".step-00000300.png.part.png").write_bytes(b"half a picture")

    levels = [image.getpixel((0, 0)) for image in sheets.read_steps(tmp_path)]

    assert levels == [10, 20, 30, 40]
    assert sheets.read_real(tmp_path).getpixel((0, 0)) == 99


def test_a_sheet_of_colour_images_shows_their_colours():
    red = np.full([3, 32, 32, 3], -1.0)
    red[..., 0] = 1.0

    sheet = sheets.pyramid_sheet([red[:, ::2, ::2], red], columns=2)

    assert sheet.mode == "RGB"
    # Two rows of two scales, each enlarged to 64 pixels.
    assert sheet.size == (4 + 2 * (64 + 2) + 4, 4 + 2 * (2 * (64 + 2) + 4) + 4)
    pixels = np.asarray(sheet)
    np.testing.assert_array_equal(pixels[4:68, 4:68], np.full([64, 64, 3], [255, 0, 0]))
    np.testing.assert_array_equal(pixels[70:134, 70:134, 1], 0)
    np.testing.assert_array_equal(pixels[-30, -30], 96)
