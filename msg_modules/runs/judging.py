"""Evaluating any generator as a run evaluated its own."""

from __future__ import annotations

import dataclasses
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
    model: pathlib.Path, run: pathlib.Path, settings: dict[str, Any]
) -> dict[str, Any]:
    """Measures a generator as the newest evaluation of a run measured its own.

    Args:
      model: A SavedModel with the signatures of a pushed one, or a serving directory;
        whoever trained it.
      run: Pipeline root, for the images, the classifier, settings and thresholds.
      settings: Fields of `EvaluateConfig` that shall differ from the run's.

    Returns:
      What `metrics.json` holds.

    Raises:
      ConfigError: If the run has evaluated nothing, or a setting is out of its range.
      RunError: If the generator breaks its contract, or images or classifier are gone.
    """
    before = json.loads((newest_evaluation(run) / METRICS_FILE).read_text())
    config = dataclasses.replace(EvaluateConfig(**before["config"]), **settings)
    candidate.load_candidate(model)  # Before the classifier and the images: in seconds.
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
    yardstick = Yardstick(classifier, train, test, config.num_images, config.seed)
    del train, test
    found, generator = judge.evaluate(model, yardstick, config)
    if generator is None:
        raise RunError("; ".join(found["reasons"]))
    return {
        "dataset": before["dataset"],
        "split": before["split"],
        "lineage": {"model": str(generator.path), **lineage},
        **found,
    }
