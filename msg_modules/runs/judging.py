"""Evaluates any generator with the images, classifier and settings of a run."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

from msg_modules.common.errors import RunError
from msg_modules.configs import EvaluateConfig
from msg_modules.data import reading
from msg_modules.metrics import candidate, judge
from msg_modules.metrics.classifier import load_judges
from msg_modules.metrics.yardstick import Yardstick
from msg_modules.runs import layout


def evaluate(
    model: pathlib.Path, run: pathlib.Path, settings: dict[str, Any]
) -> dict[str, Any]:
    """Evaluates a generator as in the newest evaluation of a run.

    Args:
      model: A SavedModel with the signatures of a pushed one, or a serving directory;
        it may come from elsewhere.
      run: Pipeline root with the images, classifier, settings and thresholds.
      settings: Fields of `EvaluateConfig` that override the run's.

    Returns:
      The content of `metrics.json`.

    Raises:
      ConfigError: If the run has no evaluation, or a setting is out of range.
      RunError: If the generator violates its interface, or the images or the
        classifier were deleted.
    """
    evaluation = layout.newest_evaluation(run)
    before = layout.read_metrics(evaluation)
    with layout.explained(evaluation):
        config = dataclasses.replace(EvaluateConfig(**before["config"]), **settings)
        lineage = {
            name: str(layout.place(run, before["lineage"][name]))
            for name in ("examples", "classifier")
        }
        content_hash = before["extractor"]["content_hash"]
        images = {name: before[name] for name in ("dataset", "split")}
    candidate.load_candidate(model)  # Fails fast, before loading the images.
    classifier, second = load_judges(lineage["classifier"])
    if classifier.info.content_hash != content_hash:
        raise RunError(
            f"The classifier in {lineage['classifier']!r} is not the one that the run"
            " used; rerun the pipeline."
        )
    train, test = (
        reading.load_examples(f"{lineage['examples']}/Split-{split}/*")
        for split in ("train", "eval")
    )
    yardstick = Yardstick(
        classifier, train, test, config.num_images, config.seed, second
    )
    found, generator = judge.evaluate(model, yardstick, config)
    if generator is None:
        raise RunError("; ".join(found["reasons"]))
    return {
        **images,
        "lineage": {"model": str(generator.path), **lineage},
        **found,
    }
