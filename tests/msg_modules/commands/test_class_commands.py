"""`msg-gan sample`, `sheet`, `interpolate` and `info` with classes."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Callable

import numpy as np
import PIL.Image
import pytest

from msg_modules import cli
from msg_modules.commands import outputs
from msg_modules.generator import sampling

NAMES = ("Bag", "Ankle boot", "T-shirt/top")
CELL, MARGIN, PITCH, CAPTION = 56, 4, 58, 30
ROW = 2 * MARGIN + CELL + 2 + MARGIN


def _run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def _fails(capsys: pytest.CaptureFixture, *arguments: object) -> str:
    """Runs the command, which must refuse with one line; returns the line."""
    assert _run(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    return line


def _levels(images: np.ndarray) -> np.ndarray:
    return (images.astype(np.float64) + 1) * 127.5


@pytest.mark.parametrize("label", ["ankle BOOT", "1"])
def test_sample_draws_the_class_that_is_asked_for(
    conditional_dir: pathlib.Path,
    conditional: sampling.Generator,
    tmp_path: pathlib.Path,
    label: str,
):
    output = tmp_path / "boots.npz"
    arguments = ["--label", label, "--num-images", 7, "--seed", 3]

    status = _run("sample", "--model", conditional_dir, "--output", output, *arguments)

    assert status == 0
    wanted = conditional.sample(7, 3, label=1)[-1]
    np.testing.assert_allclose(np.load(output)["image_28"], _levels(wanted), atol=0.51)


def test_sample_draws_all_classes_unasked(
    conditional_dir: pathlib.Path,
    conditional: sampling.Generator,
    tmp_path: pathlib.Path,
):
    output = tmp_path / "images.npz"

    assert _run("sample", "--model", conditional_dir, "--output", output) == 0

    wanted = conditional.sample(64, 0)[-1]
    np.testing.assert_allclose(np.load(output)["image_28"], _levels(wanted), atol=0.51)


@pytest.mark.parametrize(
    ("model", "arguments", "words"),
    [
        ("conditional_dir", "sample --label Hat", f"one of {', '.join(NAMES)}"),
        ("conditional_dir", "sample --label 3", "number from 0 to 2"),
        ("conditional_dir", "sample --label -1", "label is '-1'"),
        ("serving_dir", "sample --label Bag", "label is 'Bag', but the generator is"),
        ("serving_dir", "sheet --by-class", "by_class is True, but the generator is"),
        ("serving_dir", "interpolate --labels Bag 1", "label is 'Bag', but"),
        ("conditional_dir", "interpolate --labels Bag Hat", "label is 'Hat'"),
        ("conditional_dir", "interpolate --labels Bag --seeds 1", "at least two"),
        (
            "conditional_dir",
            "interpolate --labels 0 1 --seeds 1 2 3",
            "3 seeds and 2 labels",
        ),
        (
            "conditional_dir",
            "interpolate --labels 0 1 2 --seeds 1 2",
            "2 seeds and 3 labels",
        ),
    ],
)
def test_a_class_that_cannot_be_had_is_named_in_one_line(
    request: pytest.FixtureRequest,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture,
    model: str,
    arguments: str,
    words: str,
):
    command, *more = arguments.split()
    directory = request.getfixturevalue(model)
    output = tmp_path / "new" / "i.png"
    capsys.readouterr()  # Of a training that the fixture may have needed.

    line = _fails(capsys, command, "--model", directory, "--output", output, *more)

    assert words in line
    assert list(tmp_path.iterdir()) == []


def test_a_sheet_by_class_is_limited_like_any_picture(
    conditional_dir: pathlib.Path,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(outputs, "_MAX_PICTURES", 100)
    arguments = ["--output", tmp_path / "s.png", "--by-class", "--num-images", 34]

    line = _fails(capsys, "sheet", "--model", conditional_dir, *arguments)

    assert "num_images is 34; it must be between 1 and 33" in line


@pytest.mark.parametrize("has_run", [False, True])
def test_a_sheet_has_a_row_for_each_class(
    conditional_dir: pathlib.Path,
    conditional: sampling.Generator,
    tmp_path: pathlib.Path,
    make_pyramids: Callable,
    write_examples: Callable,
    has_run: bool,
):
    pyramids = make_pyramids(6, seed=1)
    run, output = tmp_path / "run", tmp_path / "sheet.png"
    examples = run / "Transform/transformed_examples/5/Split-train/part.gz"
    write_examples(examples, pyramids, [2, 0, 0, 2, 0, 2])  # No ankle boot.
    more = ["--run", run] if has_run else []

    status = _run(
        "sheet", "--model", conditional_dir, "--output", output, "--by-class",
        "--num-images", 2, "--seed", 3, *more,
    )  # fmt: skip

    assert status == 0
    pixels = np.asarray(PIL.Image.open(output)).astype(int)
    generated = [conditional.sample(2, 3, label=k)[-1] for k in range(3)]
    nothing = np.full([2, 28, 28, 1], -1.0)
    real = [pyramids[-1][[1, 2]], nothing, pyramids[-1][[0, 3]]]
    assert len(pixels) == CAPTION + 3 * ROW
    columns = [real, generated] if has_run else [generated]
    right = pixels.shape[1]
    for shown in columns[::-1]:
        left = right - 2 * PITCH - MARGIN
        for row, pair in enumerate(shown):
            top = CAPTION + row * ROW + MARGIN
            for place, image in enumerate(pair):
                start = left + place * PITCH
                cell = pixels[top : top + CELL, start : start + CELL]
                drawn = cell.reshape(28, 2, 28, 2).mean(axis=(1, 3))
                np.testing.assert_allclose(drawn, _levels(image[..., 0]), atol=0.6)
        right = left - MARGIN - 16
    # Each row has its name in white at the left, and the names differ.
    names = [
        pixels[CAPTION + row * ROW : CAPTION + (row + 1) * ROW, : left - MARGIN]
        for row in range(3)
    ]
    assert all(name.max() == 255 for name in names)
    assert np.any(names[0] != names[1])


def _interpolate(
    model: pathlib.Path, output: pathlib.Path, *more: object
) -> np.ndarray:
    assert _run("interpolate", "--model", model, "--output", output, *more) == 0
    return np.load(output)["image_28"]


@pytest.mark.parametrize(
    ("arguments", "ends"),
    [
        (["--labels", "Bag", "ankle boot", "2"], [(0, 0), (0, 1), (0, 2)]),
        (["--labels", "Bag", "1", "--seeds", 7], [(7, 0), (7, 1)]),
        (["--labels", "Bag", "1", "--seeds", 3, 4], [(3, 0), (4, 1)]),
        (["--labels", "Bag", "--seeds", 3, 4, 3], [(3, 0), (4, 0), (3, 0)]),
        (["--labels", "Bag"], [(0, 0), (1, 0)]),
        ([], [(0, None), (1, None)]),
    ],
)
def test_interpolate_leads_through_pairs_of_seed_and_class(
    conditional_dir: pathlib.Path,
    conditional: sampling.Generator,
    tmp_path: pathlib.Path,
    arguments: list[object],
    ends: list[tuple[int, int | None]],
):
    steps = ["--steps", 3]

    images = _interpolate(conditional_dir, tmp_path / "w.npz", *steps, *arguments)

    assert len(images) == 2 * len(ends) - 1
    for place, (seed, label) in enumerate(ends):
        wanted = _levels(conditional.sample(1, seed, label=label)[-1][0])
        np.testing.assert_allclose(images[2 * place], wanted, atol=0.51)


def test_halfway_between_classes_an_image_is_half_of_each(
    conditional_dir: pathlib.Path,
    conditional: sampling.Generator,
    tmp_path: pathlib.Path,
):
    more = ["--labels", "0", "2", "--steps", 3]

    images = _interpolate(conditional_dir, tmp_path / "walk.npz", *more)

    code = conditional.draw_codes(1, 0, label=0)
    code[:, 8:] = [0.5, 0, 0.5]
    wanted = _levels(conditional.generate(code)[-1][0])
    np.testing.assert_allclose(images[1], wanted, atol=0.51)


def test_info_lists_the_classes(
    conditional_dir: pathlib.Path, capsys: pytest.CaptureFixture
):
    assert _run("info", "--model", conditional_dir) == 0

    text = capsys.readouterr().out
    rows = re.findall(r"^  class +(\d+)  (.+?) +([\d.]+%) of the training", text, re.M)
    assert rows == [
        ("0", "Bag", "10.0%"),
        ("1", "Ankle boot", "60.0%"),
        ("2", "T-shirt/top", "30.0%"),
    ]
    assert "serving_default(labels: int64 [N], latents: float32 [N, 8]) ->" in text
    assert (
        "classes(labels: int64 [N]) -> names: string [N], shares: float64 [N]" in text
    )
