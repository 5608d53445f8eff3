"""The report of a run, as a person opens it: in a browser, without a network."""

from __future__ import annotations

import pathlib

import pytest
from local_pipeline import Pipeline
from selenium import webdriver
from selenium.webdriver.common.by import By

from msg_modules import cli


def _report(pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> pathlib.Path:
    """What the command names."""
    assert cli.main(["report", "--run", str(pipeline.root), "--no-browser"]) == 0
    return pathlib.Path(capsys.readouterr().out.strip())


def test_report_opens_whole_in_a_browser(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str], browser: webdriver.Chrome
) -> None:
    run = pipeline.run(capsys)
    assert run.status == 0, run.error
    path = _report(pipeline, capsys)
    assert path.name in run.output

    browser.get(path.as_uri())

    images = browser.find_elements(By.TAG_NAME, "img")
    figures = {
        figure.get_attribute("id")
        for figure in browser.find_elements(By.TAG_NAME, "figure")
    }
    assert figures == {
        "real",
        "generated",
        "interpolation",
        "neighbours",
        "by_class",
        "classes",
        "curves",
        "learning",
        "timelapse",
    }
    assert len(images) == len(figures)
    for image in images:
        assert image.get_property("naturalWidth") > 100, image.get_attribute("alt")
    assert browser.get_log("browser") == []
    requests = browser.execute_script(
        "return performance.getEntriesByType('resource')"
        ".map(entry => entry.name).filter(name => !name.startsWith('data:'))"
    )
    assert requests == []
    text = browser.find_element(By.TAG_NAME, "body").text
    for words in (
        "Blessed",
        "garments, synthetic drawings",
        "300 of test",
        "Frechet distance, 28x28",
        str(pipeline.root / "Trainer"),
        str(pipeline.root / "SchemaGen"),
        str(pipeline.root / "Transform"),
    ):
        assert words in text
    # No line of the table is cut off, and nothing sticks out of the page.
    assert browser.execute_script(
        "return document.documentElement.scrollWidth <= window.innerWidth"
    )


@pytest.mark.slow
def test_runs_are_listed_from_ml_metadata(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pipeline.run(capsys).status == 0
    before = pipeline.versions
    refused = pipeline.run(capsys, "--train.steps", "8", "--evaluate.max-frechet", "0")
    assert refused.status == 0

    assert cli.main(["runs", "--root", str(pipeline.root.parent)]) == 0

    lines = capsys.readouterr().out.splitlines()
    mine = [line for line in lines if line.startswith(pipeline.root.name)]
    assert "garments:2.0.0" in mine[-1]
    assert mine[-1].split()[-1] == "no"
    assert "128" in mine[-1]  # 8 steps of 16 images
    assert any(line.split()[-2:] == ["yes", before[-1]] for line in mine)


def test_runs_of_nothing(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]):
    assert cli.main(["runs", "--root", str(tmp_path)]) == 2
    assert "metadata.sqlite" in capsys.readouterr().err


def test_a_root_that_was_moved_is_found_again(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path
) -> None:
    assert cli.main(["runs", "--root", str(pipeline.root)]) == 0
    before = capsys.readouterr().out.splitlines()
    moved = tmp_path / "elsewhere"
    pipeline.root.rename(moved)
    try:
        assert cli.main(["runs", "--root", str(moved)]) == 0
        listed = capsys.readouterr().out.splitlines()
        words = ["--model", str(moved / "serving"), "--run", str(moved)]
        assert cli.main(["evaluate", *words]) == 0
    finally:
        moved.rename(pipeline.root)
    assert len(listed) == len(before) > 1
    assert "Frechet distance" in capsys.readouterr().out
