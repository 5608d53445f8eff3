from __future__ import annotations

import io
import json
import pathlib
from typing import Any

import numpy as np
import PIL.Image
import pytest
import rich.console

from msg_modules.common import console
from msg_modules.gan.step import METRICS
from msg_modules.pictures import curves
from msg_modules.training import reporting

# Whatever metrics there are.
MEANS = np.resize(np.array([0.7, 1.4, 0.25, 0.5], np.float32), len(METRICS))
RATES = {"generator_learning_rate": 1e-3, "discriminator_learning_rate": 5e-4}


def _report(directory: pathlib.Path, steps: list[int], first_step: int = 0) -> None:
    with reporting.Reporter(directory, batch_size=8, first_step=first_step) as reporter:
        for step in steps:
            reporter.report(step, MEANS, 2.0, data_seconds=0.25, learning_rates=RATES)


def test_a_line_holds_all_that_is_promised(tmp_path: pathlib.Path):
    _report(tmp_path, [50, 75])

    lines = [
        json.loads(text) for text in (tmp_path / "stats.jsonl").read_text().splitlines()
    ]
    assert [set(line) for line in lines] == [
        {
            "step",
            "images",
            "seconds",
            "images_per_second",
            "data_seconds",
            *METRICS,
            *RATES,
        }
    ] * 2
    assert [line["step"] for line in lines] == [50, 75]
    assert [line["images"] for line in lines] == [400, 600]
    assert [line["seconds"] for line in lines] == [2.0, 4.0]
    assert [line["images_per_second"] for line in lines] == [200.0, 100.0]
    for name, mean in zip(METRICS, MEANS, strict=True):
        assert lines[0][name] == pytest.approx(float(mean))
    assert lines[0]["data_seconds"] == 0.25
    assert {name: lines[1][name] for name in RATES} == RATES
    assert reporting.read_stats(tmp_path) == lines


def test_going_on_drops_later_lines_and_adds_up_the_seconds(tmp_path: pathlib.Path):
    _report(tmp_path, [10, 20, 30, 40])

    _report(tmp_path, [30, 35], first_step=20)

    lines = reporting.read_stats(tmp_path)
    assert [line["step"] for line in lines] == [10, 20, 30, 35]
    assert [line["seconds"] for line in lines] == [2, 4, 6, 8]


def test_beginning_again_drops_all_lines(tmp_path: pathlib.Path):
    _report(tmp_path, [10, 20])

    _report(tmp_path, [], first_step=0)

    assert reporting.read_stats(tmp_path) == []


@pytest.mark.parametrize("tail", ['{"step": 30, "ima', "{", '{"step": 30, "images"\0'])
def test_a_half_written_line_is_dropped(tmp_path: pathlib.Path, tail: str):
    _report(tmp_path, [10, 20])
    with (tmp_path / "stats.jsonl").open("a") as f:
        f.write(tail)

    assert [line["step"] for line in reporting.read_stats(tmp_path)] == [10, 20]

    _report(tmp_path, [30], first_step=20)
    texts = (tmp_path / "stats.jsonl").read_text().splitlines()
    assert [json.loads(text)["step"] for text in texts] == [10, 20, 30]


def test_the_rate_counts_the_images_of_its_own_seconds(tmp_path: pathlib.Path):
    _report(tmp_path, [10, 20])

    # Steps 26 to 30, 8 images each, took 2 seconds.
    _report(tmp_path, [30], first_step=25)

    assert reporting.read_stats(tmp_path)[-1]["images_per_second"] == 20.0


def test_without_a_report_there_are_no_stats(tmp_path: pathlib.Path):
    assert reporting.read_stats(tmp_path) == []
    assert reporting.read_stats(tmp_path / "missing") == []


def test_where_nobody_watches_a_line_is_printed_now_and_then(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture
):
    _report(tmp_path, [1500, 1501, 1502])

    lines = capsys.readouterr().out.splitlines()
    (line,) = [line for line in lines if line.startswith("  step")]
    for part in ("1,500", "12,000", "G 0.700", "D 1.400", "25%", "50%"):
        assert part in line


@pytest.mark.parametrize("steps", [[10], [10, 20, 30]])
def test_curves_are_drawn_from_the_reports(tmp_path: pathlib.Path, steps: list[int]):
    _report(tmp_path, steps)

    curves.save_curves(reporting.read_stats(tmp_path), tmp_path / "losses.png")

    with PIL.Image.open(tmp_path / "losses.png") as picture:
        assert picture.size == (1080, 720)
        assert len(np.unique(np.asarray(picture.convert("L")))) > 20
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("terminal", "seconds", "lines", "pictures"),
    [
        ({"color_system": "truecolor"}, 60.0, 1, 1),
        ({"color_system": "truecolor"}, 0.0, 3, 3),
        ({"color_system": None}, 0.0, 1, 0),
        ({"color_system": "256", "no_color": True}, 0.0, 1, 0),
        ({"color_system": "256", "force_terminal": False}, 0.0, 1, 0),
    ],
)
def test_the_first_sheet_is_named_and_on_a_terminal_shown_and_later_ones_too(
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    terminal: dict[str, Any],
    seconds: float,
    lines: int,
    pictures: int,
):
    printed = io.StringIO()
    monkeypatch.setattr(
        console,
        "console",
        rich.console.Console(
            **{"file": printed, "force_terminal": True, "width": 200, **terminal}
        ),
    )
    monkeypatch.setattr(reporting, "_SECONDS_PER_SHEET", seconds)
    pyramid = [np.zeros([20, size, size, 1], np.float32) for size in (7, 14)]

    with reporting.Reporter(tmp_path, batch_size=8, first_step=0) as reporter:
        for step in (250, 500, 750):
            reporter.show(step, tmp_path / f"{step}.png", pyramid)

    text = printed.getvalue()
    assert text.count("images of step") == text.count(".png") == lines
    assert "250.png" in text
    # Ten images of 14 x 14 pixels and their gaps; a character is two pixels high.
    assert text.count("▄") == pictures * 10 * 15 * 8
