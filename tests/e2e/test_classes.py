"""A pushed generator draws the class that is asked for, and the report shows each."""

from __future__ import annotations

import json
import pathlib

import numpy as np
import PIL.Image
import pytest
from local_pipeline import Pipeline

from msg_modules import cli
from msg_modules.generator import sampling
from msg_modules.pictures import scales, sheets


def _newest(pipeline: Pipeline, name: str) -> pathlib.Path:
    files = pipeline.root.glob(f"GanEvaluator/evaluation/*/{name}")
    return max(files, key=lambda path: int(path.parent.name))


def test_the_pushed_model_draws_boots(
    pipeline: Pipeline, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
):
    serving, output = pipeline.root / "serving", tmp_path / "boots.png"
    words = ["sample", "--model", str(serving), "--output", str(output)]

    status = cli.main([*words, "--label", "ankle boot", "--num-images", "8"])

    assert status == 0, capsys.readouterr().err
    generator = sampling.load_generator(serving)
    assert generator.classes.names[9] == "Ankle boot"
    # 300 training images: not all classes have the same share.
    assert sum(generator.classes.shares) == pytest.approx(1)
    assert len(set(generator.classes.shares)) > 1
    wanted = scales.choose(generator.sample(8, 0, label=9), "largest")
    with PIL.Image.open(output) as picture:
        sheet = sheets.pyramid_sheet(wanted, sheets.count_columns(8))
        np.testing.assert_array_equal(np.asarray(picture), np.asarray(sheet))


def test_the_report_and_the_card_tell_the_classes(pipeline: Pipeline):
    metrics = json.loads(_newest(pipeline, "metrics.json").read_text())
    page = _newest(pipeline, "report.html").read_text()
    card = (pipeline.root / "serving" / pipeline.versions[0] / "README.md").read_text()

    names = [each["name"] for each in metrics["by_class"]]
    assert names == metrics["classes"]
    assert len(names) == 10
    assert metrics["accuracy_scores"] == {}
    for name in names:
        assert f'<th scope="row">{name}</th>' in page
        assert f"| {name} |" in card
    assert 'id="by_class"' in page
    assert "sample_class" in card
    assert "9 Ankle boot" in card
    assert "unconditional" not in card
