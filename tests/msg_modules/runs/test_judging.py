"""Measuring any generator with the images and the classifier of a run."""

from __future__ import annotations

import dataclasses
import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from specs import FASHION

from msg_modules import cli
from msg_modules.configs import EvaluateConfig
from msg_modules.data.preprocessing import make_pyramid


@pytest.fixture
def run(
    stripes_classifier, make_stripes, write_examples, tmp_path: pathlib.Path
) -> pathlib.Path:
    """A pipeline root with what GanEvaluator and the steps before it leave."""
    root = tmp_path / "root"
    for split, num, seed in (("train", 100, 0), ("eval", 40, 1)):
        images, _ = make_stripes(num, seed)
        pyramid = [
            scale.numpy() for scale in make_pyramid(tf.constant(images), FASHION.sizes)
        ]
        write_examples(root / "examples" / f"Split-{split}" / "part-0.gz", pyramid)
    stripes_classifier.save(root / "classifier")
    evaluation = root / "GanEvaluator" / "evaluation" / "9"
    evaluation.mkdir(parents=True)
    found = {
        "dataset": "stripes:1.0.0",
        "split": "test[:40]",
        "lineage": {
            "examples": str(root / "examples"),
            "classifier": str(root / "classifier"),
        },
        "extractor": dataclasses.asdict(stripes_classifier.info),
        "config": dataclasses.asdict(EvaluateConfig(max_frechet=0)),
    }
    (evaluation / "metrics.json").write_text(json.dumps(found))
    return root


def test_measures_a_pushed_generator(
    run: pathlib.Path,
    serving_dir: pathlib.Path,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "figures.json"
    flags = ["evaluate", "--model", str(serving_dir), "--run", str(run)]
    flags += ["--output", str(output), "--num-seeds", "2"]
    assert cli.main(flags) == 0
    printed = capsys.readouterr().out
    assert "2 x 40 generated images against 40 images of 'test[:40]'" in printed
    assert "Frechet distance, 28x28" in printed
    assert "--evaluate.max-frechet" in printed
    found = json.loads(output.read_text())
    assert found["lineage"]["model"] == str(serving_dir / "7")
    assert np.isfinite(found["figures"]["frechet_28"]["value"])
    assert found["figures"]["frechet_28"]["baseline"] is None
    assert cli.main(flags) == 2
    assert "--force" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "status", "words"),
    [
        (["--run", "/nowhere"], 2, "/nowhere"),
        (["--model", "/nowhere"], 1, "/nowhere"),
        (["--num-images", "41"], 1, "40 test images"),
        (["--num-images", "3"], 2, "num_images is 3"),
    ],
)
def test_wrong_arguments(
    run: pathlib.Path,
    serving_dir: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
    flags: list[str],
    status: int,
    words: str,
) -> None:
    command = ["evaluate", "--model", str(serving_dir), "--run", str(run), *flags]
    assert cli.main(command) == status
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


def test_another_classifier_is_not_mixed_in(
    run: pathlib.Path, serving_dir: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = run.glob("GanEvaluator/evaluation/*/metrics.json")
    found = json.loads(path.read_text())
    found["extractor"]["content_hash"] = "another"
    path.write_text(json.dumps(found))
    command = ["evaluate", "--model", str(serving_dir), "--run", str(run)]
    assert cli.main(command) == 1
    assert "is not the one" in capsys.readouterr().err
