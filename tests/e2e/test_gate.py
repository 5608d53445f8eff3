"""The judge decides what is pushed, and a person is told why."""

from __future__ import annotations

import json
import pathlib
import re

import pytest
from local_pipeline import COMPONENTS, Pipeline

CACHED = "cache hit"
NEVER = ["--evaluate.max-frechet", "0"]


def _metrics(pipeline: Pipeline) -> dict:
    """What the newest judgement found."""
    return json.loads(_newest(pipeline, "metrics.json").read_text())


def _newest(pipeline: Pipeline, name: str) -> pathlib.Path:
    files = pipeline.root.glob(f"GanEvaluator/evaluation/*/{name}")
    return max(files, key=lambda path: int(path.parent.name))


def test_summary_names_figures_real_noise_and_decision(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    run = pipeline.run(capsys)
    assert run.status == 0
    for words in (
        "2 x 300 generated images against 300 images of 'test' of garments:2.0.0",
        "cnn64-1",
        "150 training",
        "real    noise",
        "Frechet distance, 28x28",
        "Coverage",
        "Blessed: the generator was pushed.",
        "metrics.json",
    ):
        assert words in run.output
    (path,) = re.findall(r"All metrics: +(\S+)", run.output)
    figure = json.loads(pathlib.Path(path).read_text())["figures"]["frechet_28"]
    assert f"{figure['value']:.3f} ± {figure['std']:.3f}" in run.output


@pytest.mark.slow
def test_not_blessed_is_not_pushed_and_a_finished_run(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pipeline.run(capsys).status == 0
    before = pipeline.versions
    run = pipeline.run(capsys, "--train.seed", "30", *NEVER)
    assert run.status == 0
    assert run.error == ""
    assert "Not blessed" in run.output
    assert "--evaluate.max-frechet" in run.output
    assert f"serving/{before[-1]} remains in service" in " ".join(
        run.output.replace("│", " ").split()
    )
    assert "Pushed generator:" not in run.output
    assert pipeline.versions == before
    again = pipeline.run(capsys, "--train.seed", "30", *NEVER)
    assert again.outcomes == dict.fromkeys(COMPONENTS, CACHED)
    assert "Not blessed" in again.output
    assert pipeline.versions == before


@pytest.mark.slow
def test_second_blessed_run_is_compared_with_the_first(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pipeline.run(capsys).status == 0
    served = pipeline.versions[-1]
    run = pipeline.run(capsys, "--train.seed", "31")
    assert run.status == 0
    assert "last blessed" in run.output
    found = _metrics(pipeline)
    assert found["baseline"] == str(pipeline.root / "serving" / served)
    figure = found["figures"]["frechet_28"]
    assert figure["baseline"] > 0
    page = _newest(pipeline, "report.html").read_text()
    assert "last blessed" in page
    assert f"{figure['value']:.3f}" in page
    assert f"{figure['baseline']:.3f}" in page
    assert len(pipeline.versions) > 1
    assert pipeline.versions[-1] != served


@pytest.mark.slow
def test_ml_metadata_may_name_the_last_blessed_generator(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--evaluate.baseline", "resolver"]
    assert pipeline.run(capsys).status == 0
    run = pipeline.run(capsys, "--train.seed", "32", *flags)
    assert run.status == 0, run.error
    assert "LastBlessed" in run.output
    assert "/Trainer/model/" in _metrics(pipeline)["baseline"]
    assert "last blessed" in run.output


def test_more_images_than_the_test_split_has(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pipeline.run(capsys).status == 0
    before = pipeline.versions
    run = pipeline.run(capsys, "--evaluate.num-images", "301")
    assert run.status == 1
    (line,) = run.error.splitlines()
    assert "300 test images" in line
    assert "301" in line
    assert pipeline.versions == before
