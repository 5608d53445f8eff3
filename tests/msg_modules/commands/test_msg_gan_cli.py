from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import PIL.Image
import pytest
from refusals import assert_refused

from msg_modules import cli
from msg_modules.generator import sampling
from pipeline.kubeflow import command as kubeflow

CELL, PITCH, MARGIN = 56, 58, 4  # An image, from one to the next, around them.


def _sheet_size(columns: int, rows: int, scales: int = 1) -> tuple[int, int]:
    return (
        2 * MARGIN + columns * PITCH,
        2 * MARGIN + rows * (scales * PITCH + 4),
    )


def _fails(capsys: pytest.CaptureFixture, status: int, *arguments: object) -> str:
    """Runs the command, which must fail with one line; returns the line."""
    assert cli.main([str(argument) for argument in arguments]) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("error: ")
    return line


@pytest.mark.parametrize(
    ("arguments", "columns", "rows", "scales"),
    [
        (["--num-images", "1"], 1, 1, 1),
        (["--num-images", "11"], 8, 2, 1),
        (["--num-images", "100", "--scale", "7"], 10, 10, 1),
        (["--num-images", "9", "--scale", "all"], 8, 2, 3),
        ([], 8, 8, 1),
    ],
)
def test_sample_draws_a_picture_of_as_many_images(
    serving_dir: pathlib.Path,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture,
    arguments: list[str],
    columns: int,
    rows: int,
    scales: int,
):
    output = tmp_path / "new" / "grid.png"

    status = cli.main(
        ["sample", "--model", str(serving_dir), "--output", str(output), *arguments]
    )

    assert status == 0
    with PIL.Image.open(output) as picture:
        assert picture.format == "PNG"
        assert picture.size == _sheet_size(columns, rows, scales)
        size = f"{picture.width} x {picture.height} pixels"
    assert capsys.readouterr().out == f"{output}: {size}\n"
    assert [entry.name for entry in output.parent.iterdir()] == ["grid.png"]


@pytest.mark.parametrize(("scale", "place"), [("7", 0), ("14", 1), ("28", 2)])
def test_sample_draws_the_images_of_its_seed_at_its_scale(
    serving_dir: pathlib.Path, tmp_path: pathlib.Path, scale: str, place: int
):
    output = tmp_path / "grid.png"

    cli.main(
        f"sample --model {serving_dir}/7 --output {output} --num-images 3 --seed 12"
        f" --scale {scale}".split()
    )

    images = sampling.load_generator(serving_dir).sample(3, seed=12)[place]
    pixels = np.asarray(PIL.Image.open(output)).astype(int)
    side = CELL // int(scale)
    for number, image in enumerate(images[..., 0].astype(np.float64)):
        left = MARGIN + number * PITCH
        drawn = pixels[MARGIN : MARGIN + CELL, left : left + CELL]
        wanted = np.repeat(np.repeat((image + 1) * 127.5, side, 0), side, 1)
        np.testing.assert_allclose(drawn, wanted, atol=0.6)


def test_sample_overwrites_only_when_forced(
    serving_dir: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture
):
    output = tmp_path / "grid.png"
    output.write_bytes(b"precious")
    arguments = f"sample --model {serving_dir} --output {output} --num-images 1".split()

    line = _fails(capsys, 2, *arguments)

    assert str(output) in line
    assert "--force" in line
    assert output.read_bytes() == b"precious"
    assert cli.main([*arguments, "--force"]) == 0
    assert PIL.Image.open(output).size == _sheet_size(1, 1)


@pytest.mark.parametrize("count", [0, -3, 10_001])
@pytest.mark.parametrize("command", ["sample --model", "real --run"])
def test_a_wrong_count_is_named(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture, command: str, count: int
):
    line = _fails(
        capsys,
        2,
        *command.split(),
        tmp_path,
        "--output",
        tmp_path / "grid.png",
        "--num-images",
        count,
    )

    assert f"num_images is {count}" in line
    assert "between 1 and 10000" in line


@pytest.mark.parametrize("name", ["grid", "grid.txt", "grid.png.bak"])
@pytest.mark.parametrize("command", ["sample --model", "real --run", "timelapse --run"])
def test_a_name_that_is_no_pictures_is_refused(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture, command: str, name: str
):
    line = _fails(capsys, 2, *command.split(), tmp_path, "--output", tmp_path / name)

    assert name in line
    assert ("training.gif" if "timelapse" in command else "grid.png") in line
    assert list(tmp_path.iterdir()) == []


def test_a_format_that_cannot_be_written_is_refused(
    serving_dir: pathlib.Path, tmp_path: pathlib.Path
):
    arguments = ["sample", "--model", str(serving_dir)]

    assert cli.main([*arguments, "--output", str(tmp_path / "grid.psd")]) == 2


def test_a_seed_beyond_64_bits_is_refused(
    serving_dir: pathlib.Path, tmp_path: pathlib.Path
):
    arguments = f"sample --model {serving_dir} --output {tmp_path}/grid.png".split()

    assert cli.main([*arguments, "--seed", str(2**63)]) == 2


def test_sample_without_a_model_names_the_directory(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture
):
    line = _fails(
        capsys,
        2,
        "sample",
        "--model",
        tmp_path / "serving",
        "--output",
        tmp_path / "grid.png",
    )

    assert str(tmp_path / "serving") in line


def test_a_picture_that_cannot_be_written_is_a_failed_run(
    serving_dir: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture
):
    (tmp_path / "file").touch()

    line = _fails(
        capsys,
        1,
        "sample",
        "--model",
        serving_dir,
        "--num-images",
        1,
        "--output",
        tmp_path / "file" / "grid.png",
    )

    assert "grid.png' cannot be written" in line


@pytest.fixture
def run_dir(
    tmp_path: pathlib.Path, make_pyramids: Callable, write_examples: Callable
) -> pathlib.Path:
    """A pipeline root with two runs of Transform, of which 10 is the newer one."""
    for execution, seed in (("9", 1), ("10", 2)):
        write_examples(
            tmp_path
            / f"run/Transform/transformed_examples/{execution}/Split-train/part.gz",
            make_pyramids(12, seed=seed),
        )
    return tmp_path / "run"


def test_real_draws_the_newest_training_images_at_all_scales(
    run_dir: pathlib.Path, tmp_path: pathlib.Path, make_pyramids: Callable
):
    output = tmp_path / "real.png"

    assert (
        cli.main(f"real --run {run_dir} --output {output} --num-images 11".split()) == 0
    )

    pixels = np.asarray(PIL.Image.open(output)).astype(int)
    assert pixels.shape[::-1] == _sheet_size(10, 2, scales=3)
    for place, scale in enumerate(make_pyramids(12, seed=2)):
        side = CELL // scale.shape[1]
        top = MARGIN + place * PITCH
        drawn = pixels[top : top + CELL, MARGIN : MARGIN + CELL]
        wanted = np.kron((scale[0, ..., 0] + 1) * 127.5, np.ones([side, side]))
        np.testing.assert_allclose(drawn, wanted, atol=0.6)


def test_real_draws_all_there_are_if_more_are_asked_for(
    run_dir: pathlib.Path, tmp_path: pathlib.Path
):
    output = tmp_path / "real.png"

    assert cli.main(f"real --run {run_dir} --output {output}".split()) == 0

    assert PIL.Image.open(output).size == _sheet_size(10, 2, scales=3)


def test_real_without_a_run_says_what_to_name(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture
):
    line = _fails(
        capsys, 2, "real", "--run", tmp_path, "--output", tmp_path / "real.png"
    )

    assert str(tmp_path) in line
    assert "completed Transform" in line


def test_real_of_damaged_examples_is_a_failed_run(
    run_dir: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture
):
    (path,) = run_dir.glob("Transform/transformed_examples/10/Split-train/*")
    # The order of an example's features changes from process to process, and with it
    # what zlib makes of the first bytes; half of a file is always half.
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    line = _fails(
        capsys, 1, "real", "--run", run_dir, "--output", tmp_path / "real.png"
    )

    assert "cannot be read" in line


@pytest.mark.parametrize("place", ["checkpoints/abc", "latest", "."])
def test_timelapse_animates_all_sheets_of_a_training(
    trained: Any,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture,
    place: str,
):
    run, output = tmp_path / "run", tmp_path / "training.gif"
    shutil.copytree(trained.directory, run / place)

    assert cli.main(["timelapse", "--run", str(run), "--output", str(output)]) == 0

    assert "3 sheets" in capsys.readouterr().out
    paths = sorted((trained.directory / "samples").glob("step-*.png"))
    with PIL.Image.open(output) as animation:
        assert animation.format == "GIF"
        assert animation.is_animated
        assert animation.n_frames == len(paths) == 3
        for number, path in enumerate(paths):
            animation.seek(number)
            np.testing.assert_array_equal(
                np.asarray(animation.convert("L")), np.asarray(PIL.Image.open(path))
            )


def test_timelapse_takes_the_training_that_drew_last(
    trained: Any, tmp_path: pathlib.Path
):
    for name, sheets, time in (("old", 3, 1000), ("new", 2, 2000), ("older", 1, 500)):
        samples = tmp_path / "run/checkpoints" / name / "samples"
        shutil.copytree(trained.directory / "samples", samples)
        for path in sorted(samples.glob("step-*"))[sheets:]:
            path.unlink()
        os.utime(samples, (time, time))
    output = tmp_path / "training.gif"

    assert cli.main(f"timelapse --run {tmp_path}/run --output {output}".split()) == 0

    assert PIL.Image.open(output).n_frames == 2


def test_timelapse_overwrites_only_when_forced(
    trained: Any, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture
):
    shutil.copytree(trained.directory, tmp_path / "run/checkpoints/abc")
    output = tmp_path / "training.gif"
    output.write_bytes(b"precious")
    arguments = f"timelapse --run {tmp_path}/run --output {output}".split()

    assert "--force" in _fails(capsys, 2, *arguments)
    assert output.read_bytes() == b"precious"
    assert cli.main([*arguments, "--force"]) == 0
    assert PIL.Image.open(output).n_frames == 3


@pytest.mark.parametrize("begun", [False, True])
def test_timelapse_of_no_sheets_says_so(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture, begun: bool
):
    if begun:
        (tmp_path / "checkpoints/abc/samples").mkdir(parents=True)

    line = _fails(
        capsys, 2, "timelapse", "--run", tmp_path, "--output", tmp_path / "t.gif"
    )

    assert str(tmp_path) in line
    assert ("no sample sheet" if begun else "started training") in line


def test_timelapse_writes_nothing_that_cannot_move(
    trained: Any, tmp_path: pathlib.Path
):
    shutil.copytree(trained.directory, tmp_path / "run/checkpoints/abc")

    arguments = f"timelapse --run {tmp_path}/run --output {tmp_path}/t.jpg".split()
    assert cli.main(arguments) == 2


def test_timelapse_that_cannot_be_written_is_a_failed_run(
    trained: Any, tmp_path: pathlib.Path
):
    shutil.copytree(trained.directory, tmp_path / "run/checkpoints/abc")
    (tmp_path / "file").touch()

    arguments = f"timelapse --run {tmp_path}/run --output {tmp_path}/file/t.gif".split()
    assert cli.main(arguments) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["paint"],
        ["sample"],
        ["sample", "--model", "m", "--output", "o.png", "--scale", "tiny"],
        ["sample", "--model", "m", "--output", "o.png", "--num-images", "many"],
    ],
    ids=["none", "unknown", "missing", "wrong-choice", "no-number"],
)
def test_wrong_arguments_exit_with_status_2(
    arguments: list[str], capsys: pytest.CaptureFixture
):
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)

    assert caught.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("main", "command", "flag"),
    [
        (cli.main, ["sample", "--output", "o.png"], "--model"),
        (cli.main, ["sample", "--model", "m"], "--output"),
        (cli.main, ["evaluate", "--model", "m"], "--run"),
        (cli.main, ["explore", "--model", "m"], "--run"),
        (cli.main, ["runs"], "--root"),
        (kubeflow.main, ["submit", "--host", "http://h"], "--package"),
        (kubeflow.main, ["status", "run-1", "--host", "http://h"], "--token-file"),
    ],
)
@pytest.mark.parametrize("uri", ["s3://bucket/x", "file:///x"])
def test_a_uri_is_refused_as_it_was_given(
    main: Callable,
    command: list[str],
    flag: str,
    uri: str,
    capsys: pytest.CaptureFixture,
):
    assert_refused(main, [*command, flag, uri], [flag, f"{uri} is a URI"], capsys)


def test_help_of_every_command_answers_without_tensorflow(repository: str):
    code = """
import contextlib, io, sys
from msg_modules import cli

wanted = {
    "": ("sample", "interpolate", "sheet", "real", "timelapse", "info"),
    "sample": ("--model", "--num-images", "--seed", "--scale", "--force"),
    "interpolate": ("--seeds", "--steps", "--straight"),
    "sheet": ("--model", "--run", "--truncation"),
    "info": ("--model",),
    "export": ("--format", "--batch-size"),
    "serve": ("--host", "--port", "--limits.max-images"),
    "versions": ("--serving-dir",),
    "rollback": ("--serving-dir", "--to"),
    "prune": ("--serving-dir", "--keep"),
    "explore": ("--model", "--run", "--host", "--port"),
    "real": ("--run", "--output", "--num-images"),
    "timelapse": ("--run", "--output"),
}
for command, words in wanted.items():
    text = io.StringIO()
    try:
        with contextlib.redirect_stdout(text):
            cli.main([*command.split(), "--help"])
    except SystemExit as e:
        assert e.code in (0, None), e.code
    else:
        raise AssertionError("--help went on")
    for word in ("msg-gan", *words):
        assert word in text.getvalue(), (command, word)
heavy = {"tensorflow", "keras", "tfx", "matplotlib"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], cwd=repository, check=True)
