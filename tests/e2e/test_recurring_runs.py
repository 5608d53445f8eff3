"""The same command again and again, on a folder that grows."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable

import numpy as np
import PIL.Image
import pytest
import tiny_datasets
from local_pipeline import BLESS_ALL, COMPONENTS, Run

from msg_modules.generator import origin
from pipeline.local import command

pytestmark = pytest.mark.slow


def _add_images(folder: pathlib.Path, numbers: range) -> None:
    folder.mkdir(exist_ok=True)
    for number in numbers:
        pixels = tiny_datasets.draw_tile(
            number % 3, np.random.default_rng(number), size=16
        )
        PIL.Image.fromarray(pixels).save(folder / f"{number}.png")


@pytest.fixture
def run(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Run]:
    (tmp_path / "tfds").mkdir()
    flags = [
        *("--pipeline-root", str(tmp_path / "root")),
        *("--data.folder", str(tmp_path / "images")),
        *("--data.data-dir", str(tmp_path / "tfds"), "--data.scales", "2"),
        *("--train.start-from", "served"),
        *("--train.steps", "4", "--train.batch-size", "8"),
        *("--train.report-every", "2", "--train.sample-every", "2"),
        *("--classifier.epochs", "1", "--evaluate.num-seeds", "1"),
        *BLESS_ALL,
    ]

    def run(*more: str) -> Run:
        capsys.readouterr()
        status = command.main([*flags, *more])
        captured = capsys.readouterr()
        assert status == 0, captured.err
        return Run(status, captured.out, captured.err)

    return run


def test_new_images_are_trained_on_and_pushed_if_blessed(
    run: Callable[..., Run], tmp_path: pathlib.Path
) -> None:
    serving = tmp_path / "root" / "serving"
    _add_images(tmp_path / "images", range(150))

    assert "no version is served" in run().output
    (first,) = serving.iterdir()

    # Nothing new: a new execution, as it now has a starting point; then cache hits.
    again = run().output
    assert f"nothing new since version {first.name}" in again
    assert f"served already, as version {first.name}" in again
    assert "starting from the weights" not in again
    assert run().outcomes == dict.fromkeys(COMPONENTS, "cache hit")
    assert list(serving.iterdir()) == [first]

    _add_images(tmp_path / "images", range(150, 180))
    worse = run("--evaluate.max-frechet", "0").output
    assert f"training on from version {first.name}" in worse
    assert "starting from the weights of step 4" in worse
    assert "Not blessed" in worse
    assert list(serving.iterdir()) == [first]

    blessed = run()
    assert blessed.outcomes["Trainer"] == "cache hit"
    (second,) = set(serving.iterdir()) - {first}
    metrics = max(
        (tmp_path / "root" / "GanEvaluator").glob("evaluation/*/metrics.json"),
        key=lambda path: int(path.parent.name),
    )
    assert json.loads(metrics.read_text())["baseline"] == str(first)

    # The next training starts from that of the second version or, if this is rolled
    # back, of the first.
    for version in (first, second):
        made = origin.read(version)
        assert made is not None
        checkpoints = tmp_path / "root" / "checkpoints" / made.training / "checkpoints"
        assert (checkpoints / f"ckpt-{made.step}.index").exists()
