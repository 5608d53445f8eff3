"""What a terminal shows, read back from its escape sequences."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
import rich.console

from msg_modules.pictures import terminal
from msg_modules.pictures.sheets import to_uint8

_CELL = re.compile(r"\x1b\[([\d;]+)m(.)\x1b\[0m")


def _shown(printed: str) -> np.ndarray:
    """The pixels, `[height, width, 3]`: upper halves in front of lower halves."""
    rows = []
    for line in printed.splitlines():
        cells = _CELL.findall(line)
        assert {character for _, character in cells} <= {"▀", "▄", " "}, line
        for code in ("38", "48"):
            row = []
            for style, character in cells:
                wanted = code if character == "▀" else {"38": "48", "48": "38"}[code]
                found = re.search(rf"{wanted};2;(\d+);(\d+);(\d+)", style)
                row.append(
                    [int(value) for value in found.groups()] if found else [0] * 3
                )
            rows.append(row)
    return np.array(rows)


def _print(pyramid: list[np.ndarray], num_images: int, width: int) -> str:
    console = rich.console.Console(
        file=io.StringIO(), width=width, color_system="truecolor", force_terminal=True
    )
    console.print(terminal.preview(pyramid, num_images, width))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("width", "columns"), [(170, 10), (80, 5), (46, 3), (20, 1)])
def test_images_of_the_middle_scale_are_shown_as_far_as_they_fit(
    channels: int, width: int, columns: int
):
    rng = np.random.default_rng(0)
    pyramid = [
        rng.uniform(-1, 1, [40, size, size, channels]).astype(np.float32)
        for size in (7, 14, 28)
    ]

    shown = _shown(_print(pyramid, 10, width))

    for number, image in enumerate(to_uint8(pyramid[1][:10])):
        row, column = divmod(number, columns)
        top, left = 16 * row, 15 * column
        np.testing.assert_array_equal(
            shown[top : top + 14, left : left + 14],
            np.broadcast_to(image, [14, 14, 3]),
        )


def test_images_of_a_single_large_scale_are_shown_in_a_row_each():
    image = np.linspace(-1, 1, 32 * 32, dtype=np.float32).reshape(1, 32, 32, 1)

    shown = _shown(_print([image.repeat(2, 0)], 10, 40))

    assert shown.shape[0] == 2 * 34
    for top in (0, 34):
        np.testing.assert_array_equal(
            shown[top : top + 32, :32, 0], to_uint8(image)[0, ..., 0]
        )
