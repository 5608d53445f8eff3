"""Measuring with the images and the classifier of a finished run."""

from __future__ import annotations

import json
import pathlib
from typing import Any

from msg_modules.common.errors import RunError
from msg_modules.configs import EvaluateConfig
from msg_modules.data import reading
from msg_modules.metrics import candidate, judge
from msg_modules.metrics.classifier import load_classifier
from msg_modules.metrics.yardstick import Yardstick
from msg_modules.runs.layout import METRICS_FILE, newest_evaluation


def evaluate(
    model: pathlib.Path, run: pathlib.Path, config: EvaluateConfig
) -> dict[str, Any]:
    """Measures a generator as the newest judgement of a run measured its own.

    Args:
      model: A SavedModel that keeps the contract of a pushed one, or a serving
        directory; whoever trained it.
      run: Pipeline root, for the images and the classifier.
      config: Images and seeds; the thresholds are those of the run.

    Returns:
      What `metrics.json` holds.

    Raises:
      ConfigError: If the run has judged nothing.
      RunError: If the generator is unfit, or images or classifier are gone.
    """
    before = json.loads((newest_evaluation(run) / METRICS_FILE).read_text())
    generator = candidate.load_candidate(model)
    lineage = {name: before["lineage"][name] for name in ("examples", "classifier")}
    classifier = load_classifier(lineage["classifier"])
    if classifier.info.content_hash != before["extractor"]["content_hash"]:
        raise RunError(
            f"The classifier in {lineage['classifier']!r} is not the one that the run"
            " used; run the pipeline again."
        )
    train, test = (
        reading.load_pyramids(f"{lineage['examples']}/Split-{split}/*")
        for split in ("train", "eval")
    )
    thresholds = EvaluateConfig(**before["config"])
    yardstick = Yardstick(classifier, train, test, config.num_images, config.seed)
    del train, test
    measured = judge.measure(generator, yardstick, config)
    figures = judge.compare(yardstick, measured, None)
    found = judge.to_json(
        yardstick=yardstick,
        config=config,
        verdict=judge.decide(figures, thresholds),
        figures=figures,
        measured=measured,
    )
    return {
        "dataset": before["dataset"],
        "split": before["split"],
        "lineage": {"model": str(generator.path), **lineage},
        **found,
    }
