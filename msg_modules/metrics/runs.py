"""Measuring with the images and the classifier of a finished run."""

from __future__ import annotations

import json
import pathlib
from typing import Any

from msg_modules import dataset
from msg_modules.configs import EvaluateConfig
from msg_modules.errors import ConfigError, RunError
from msg_modules.metrics import candidate, judge
from msg_modules.metrics.classifier import load_classifier
from msg_modules.metrics.yardstick import Yardstick


def newest_evaluation(run: pathlib.Path) -> dict[str, Any]:
    """What the newest judgement of a run found.

    Args:
      run: Pipeline root.

    Raises:
      ConfigError: If there is none.
    """
    files = run.glob(f"GanEvaluator/evaluation/*/{judge.METRICS_FILE}")
    newest = max(files, key=lambda path: int(path.parent.name), default=None)
    if newest is None:
        raise ConfigError(
            f"No generator was judged in {str(run)!r}; name the pipeline root of a run"
            " that has passed GanEvaluator."
        )
    return json.loads(newest.read_text())


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
    before = newest_evaluation(run)
    generator = candidate.load_candidate(model)
    classifier = load_classifier(before["classifier"])
    if classifier.info.content_hash != before["extractor"]["content_hash"]:
        raise RunError(
            f"The classifier in {before['classifier']!r} is not the one that the run"
            " used; run the pipeline again."
        )
    train, test = (
        dataset.load_pyramids(f"{before['examples']}/Split-{split}/*")
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
    origin = {
        key: before[key] for key in ("dataset", "split", "examples", "classifier")
    }
    return {"model": str(generator.path), **origin, **found}
