"""`msg-gan versions`, `rollback` and `prune`, on directories as servers see them."""

from __future__ import annotations

import os
import pathlib
import shutil

import pytest

from msg_modules import cli
from msg_modules.generator import version_directories

MODEL_FILE = "saved_model.pb"
CARD = """---
model-index:
- name: msg-gan-stripes
  results:
  - task: {type: unconditional-image-generation}
    dataset: {type: stripes, name: "stripes:1.0.0"}
    metrics:
    - {type: frechet_28, name: "Frechet distance, 28x28", value: 1.254}
    - {type: frechet_14, name: "Frechet distance, 14x14", value: 3.5}
---
# The generator
"""


def _write(directory: pathlib.Path, number: int) -> pathlib.Path:
    version = directory / str(number)
    (version / "variables").mkdir(parents=True)
    (version / "variables" / "data").write_text(f"weights of {number}")
    (version / MODEL_FILE).write_text(f"graph of {number}")
    return version


@pytest.fixture
def serving(tmp_path: pathlib.Path) -> pathlib.Path:
    """A serving directory with versions 7, 8 and 10."""
    for number in (7, 8, 10):
        _write(tmp_path / "serving", number)
    return tmp_path / "serving"


def _numbers(serving: pathlib.Path) -> list[int]:
    """What TensorFlow Serving takes for versions, of which it serves the highest."""
    return sorted(int(p.name) for p in serving.iterdir() if p.name.isdecimal())


def _files(serving: pathlib.Path) -> dict[str, str]:
    return {
        f"{path.parent.relative_to(serving)}/{path.name}": path.read_text()
        for path in serving.rglob("*")
        if path.is_file()
    }


def _run(command: str, serving: pathlib.Path, *arguments: object) -> int:
    words = [command, "--serving-dir", str(serving), *map(str, arguments)]
    return cli.main(words)


def _fails(
    capsys: pytest.CaptureFixture,
    status: int,
    command: str,
    serving: pathlib.Path,
    *arguments: object,
) -> str:
    """Runs a command that must fail with one line; returns the line."""
    capsys.readouterr()
    assert _run(command, serving, *arguments) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("error: ")
    return line


def test_versions_are_listed_with_what_is_known_of_them(
    serving: pathlib.Path, capsys: pytest.CaptureFixture
):
    (serving / "8" / "README.md").write_text(CARD)
    (serving / "8" / "variables" / "data").write_bytes(bytes(2_345_000))
    os.utime(serving / "8" / MODEL_FILE, (0, 1_790_000_000))
    (serving / "7" / "README.md").write_text("# Another card")
    (serving / "11").mkdir()
    (serving / "note.txt").touch()
    _write(serving / "not-a-version", 12)

    assert _run("versions", serving) == 0

    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["version", "pushed", "(UTC)", "state", "Frechet", "MB"]
    rows = [line.split() for line in lines]
    assert [row[0] for row in rows] == ["7", "8", "10", "11"]
    assert [row[-2] for row in rows] == ["older", "1.25", "served", "incomplete"]
    assert rows[1] == ["8", "2026-09-21", "14:13", "older", "1.25", "2.35"]


def test_rollback_serves_the_version_before(
    serving: pathlib.Path, capsys: pytest.CaptureFixture
):
    before = _files(serving)

    assert _run("rollback", serving) == 0

    assert _numbers(serving) == [7, 8]
    output = capsys.readouterr().out
    assert "Version 8 is served instead of 10." in output
    assert "--to 10" in output
    assert _run("rollback", serving) == 0
    assert _numbers(serving) == [7]
    line = _fails(capsys, 2, "rollback", serving)
    assert "no older version" in line
    assert "7, 8, 10" in line
    assert _run("versions", serving) == 0
    states = [line.split()[3:-1] for line in capsys.readouterr().out.splitlines()[1:]]
    assert states == [["served"], ["rolled", "back"], ["rolled", "back"]]
    # Nothing is lost on the way there and back.
    assert _run("rollback", serving, "--to", 8) == 0
    assert _run("rollback", serving, "--to", 10) == 0
    assert _files(serving) == before


@pytest.mark.parametrize("can_rename", [True, False])
@pytest.mark.parametrize(
    ("targets", "numbers"),
    [
        ([10], [7, 8, 10]),
        ([8], [7, 8]),
        ([7], [7]),
        ([7, 10], [7, 10]),
        ([7, 8], [7, 8]),
        ([8, 10, 8], [7, 8]),
        ([7, 10, 8], [7, 8]),
    ],
)
def test_any_version_can_be_served(
    serving: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    targets: list[int],
    numbers: list[int],
    can_rename: bool,
):
    contents = sorted(_files(serving).values())
    if not can_rename:  # As on a mounted bucket.

        def refused(*args: object) -> None:
            raise OSError(24, "Too many open files")

        monkeypatch.setattr(pathlib.Path, "rename", refused)

    for target in targets:
        assert _run("rollback", serving, "--to", target) == 0
        assert _numbers(serving)[-1] == target

    assert _numbers(serving) == numbers
    assert sorted(_files(serving).values()) == contents


def test_servers_see_a_single_change(
    serving: pathlib.Path, monkeypatch: pytest.MonkeyPatch
):
    rename, seen = pathlib.Path.rename, []

    def watched(path: pathlib.Path, target: pathlib.Path) -> None:
        rename(path, target)
        seen.append(_numbers(serving)[-1])

    monkeypatch.setattr(pathlib.Path, "rename", watched)
    _run("rollback", serving, "--to", 7)
    assert seen == [10, 7]
    seen.clear()
    _run("rollback", serving, "--to", 10)
    assert seen == [10]
    seen.clear()
    _run("rollback", serving, "--to", 8)  # Which is set aside itself.
    assert seen == [10, 8]


def test_the_served_version_is_served_already(
    serving: pathlib.Path, capsys: pytest.CaptureFixture
):
    before = _files(serving)
    assert _run("rollback", serving, "--to", 10) == 0
    assert capsys.readouterr().out == "Version 10 is served already.\n"
    assert _files(serving) == before


def test_without_a_served_version_one_can_be_chosen(
    serving: pathlib.Path, capsys: pytest.CaptureFixture
):
    _run("rollback", serving, "--to", 7)
    (serving / "7" / MODEL_FILE).unlink()

    assert "8, 10" in _fails(capsys, 2, "rollback", serving)
    assert "rollback --to" in _fails(capsys, 2, "prune", serving, "--keep", 1)
    assert _run("rollback", serving, "--to", 8) == 0
    assert capsys.readouterr().out == "Version 8 is served.\n"


def test_a_version_that_is_not_there_is_named_with_those_that_are(
    serving: pathlib.Path, capsys: pytest.CaptureFixture
):
    line = _fails(capsys, 2, "rollback", serving, "--to", 9)

    assert "to is 9" in line
    assert str(serving) in line
    assert "7, 8, 10" in line


@pytest.mark.parametrize("command", ["versions", "rollback", "prune"])
@pytest.mark.parametrize("name", ["none", "empty", "file", "serving/7"])
def test_a_directory_without_versions_is_named(
    serving: pathlib.Path, capsys: pytest.CaptureFixture, command: str, name: str
):
    (serving.parent / "empty").mkdir()
    (serving.parent / "file").touch()
    more = ["--keep", 1] if command == "prune" else []

    line = _fails(capsys, 2, command, serving.parent / name, *more)

    assert f"no version in {str(serving.parent / name)!r}" in line


def test_a_uri_is_refused(capsys: pytest.CaptureFixture):
    assert cli.main(["versions", "--serving-dir", "gs://bucket/serving"]) == 1
    assert "'gs://bucket/serving'; it must be a dir" in capsys.readouterr().err


def test_a_half_written_version_is_not_served(
    serving: pathlib.Path, capsys: pytest.CaptureFixture
):
    (serving / "8" / MODEL_FILE).unlink()

    line = _fails(capsys, 2, "rollback", serving, "--to", 8)
    assert "no saved_model.pb" in line
    assert line.endswith("7, 10.")
    # A server would take it for the newest one as soon as 10 is gone.
    line = _fails(capsys, 1, "rollback", serving)
    assert f"{str(serving / '8')!r} is incomplete" in line
    assert _numbers(serving) == [7, 8, 10]


def test_a_version_pushed_at_the_same_time_is_told(
    serving: pathlib.Path,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
):
    move = version_directories.move

    def slow(*paths: pathlib.Path) -> None:
        move(*paths)
        _write(serving, 12)

    monkeypatch.setattr(version_directories, "move", slow)

    line = _fails(capsys, 1, "rollback", serving)

    assert "12 is served instead of 8" in line
    assert "try again" in line


def test_versions_moved_at_the_same_time_are_told(
    serving: pathlib.Path,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
):
    move = version_directories.move

    def late(*paths: pathlib.Path) -> None:
        move(*paths)
        move(*paths)

    monkeypatch.setattr(version_directories, "move", late)

    assert "Another process moved" in _fails(capsys, 1, "rollback", serving)
    monkeypatch.undo()
    assert sorted(_files(serving).values())[-3:] == [
        "weights of 10",
        "weights of 7",
        "weights of 8",
    ]


@pytest.mark.parametrize(
    ("rolled_back_to", "keep", "left"),
    [
        (10, 1, [10]),
        (10, 2, [8, 10]),
        (10, 3, [7, 8, 10]),
        (10, 100, [7, 8, 10]),
        # Newer ones, which are set aside, stay.
        (8, 1, [8, 10]),
        (7, 1, [7, 8, 10]),
    ],
)
def test_prune_keeps_the_served_version_and_as_many_before_it(
    serving: pathlib.Path,
    capsys: pytest.CaptureFixture,
    rolled_back_to: int,
    keep: int,
    left: list[int],
):
    _run("rollback", serving, "--to", rolled_back_to)
    capsys.readouterr()

    assert _run("prune", serving, "--keep", keep) == 0

    output = capsys.readouterr().out
    for number in (7, 8, 10):
        assert (f"Removed version {number}, 0.00 MB" in output) == (number not in left)
    assert ("Nothing to remove" in output) == (left == [7, 8, 10])
    assert _numbers(serving)[-1] == rolled_back_to
    _run("rollback", serving, "--to", left[-1])
    contents = _files(serving).values()
    assert [n for n in (7, 8, 10) if f"weights of {n}" in contents] == left


def test_prune_counts_what_was_rolled_back_before_a_push(serving: pathlib.Path):
    _run("rollback", serving)
    _write(serving, 11)

    _run("prune", serving, "--keep", 2)
    assert _run("rollback", serving, "--to", 10) == 0
    _run("rollback", serving, "--to", 11)
    _run("prune", serving, "--keep", 1)

    assert set(_files(serving).values()) == {"graph of 11", "weights of 11"}


def test_prune_removes_what_was_left_half_removed_but_no_push_that_runs(
    serving: pathlib.Path, capsys: pytest.CaptureFixture
):
    (serving / "7" / MODEL_FILE).unlink()
    (serving / "11").mkdir()

    assert _run("prune", serving, "--keep", 100) == 0

    assert "Removed version 7" in capsys.readouterr().out
    assert _numbers(serving) == [8, 10, 11]


def test_what_a_killed_prune_leaves_is_not_served(
    serving: pathlib.Path, monkeypatch: pytest.MonkeyPatch
):
    def killed(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        assert _run("prune", serving, "--keep", 1) == 130

    assert _numbers(serving) == [7, 8, 10]
    assert _run("rollback", serving, "--to", 7) == 2
    assert _run("prune", serving, "--keep", 2) == 0
    assert _numbers(serving) == [8, 10]


@pytest.mark.parametrize("keep", [0, -1])
def test_prune_keeps_at_least_the_served_version(
    serving: pathlib.Path, capsys: pytest.CaptureFixture, keep: int
):
    line = _fails(capsys, 2, "prune", serving, "--keep", keep)

    assert f"keep is {keep}; it must be at least 1" in line
    assert _numbers(serving) == [7, 8, 10]
