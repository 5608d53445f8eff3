"""Evaluates a generator: its metrics, and the decision to bless it."""

from __future__ import annotations

import dataclasses
import pathlib
import platform
import types
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from msg_modules.common import console
from msg_modules.common.errors import RunError
from msg_modules.configs import EvaluateConfig
from msg_modules.generator.sampling import Generator
from msg_modules.generator.saved_models import CorruptModel
from msg_modules.metrics import accuracy_score, by_class, candidate
from msg_modules.metrics.yardstick import SECOND_OPINION, Measurement, Yardstick

_NO_SCORES: Mapping[str, accuracy_score.Score] = types.MappingProxyType({})


@dataclasses.dataclass(frozen=True)
class Figure:
    """One metric of a generator.

    Attributes:
      value: Mean over the seeds.
      std: Standard deviation over the seeds; None for a single seed.
      real: Value for real images, from the training split.
      noise: Value for noise.
      baseline: Value for the last blessed generator; None if there is none.
      label: Display name.
      better: `lower`, `higher` or `neither`.
    """

    value: float
    std: float | None
    real: float
    noise: float
    baseline: float | None
    label: str
    better: str


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Whether a generator is blessed, and why not.

    Attributes:
      blessed: Whether it may be pushed.
      reasons: Why it is not blessed; empty if it is.
    """

    blessed: bool
    reasons: tuple[str, ...] = ()


def evaluate(
    model: str | pathlib.Path,
    yardstick: Yardstick,
    config: EvaluateConfig,
    baseline: str | pathlib.Path | None = None,
) -> tuple[dict[str, Any], Generator | None]:
    """Evaluates a generator and decides whether to bless it.

    Args:
      model: A SavedModel with the signatures of a pushed one, or a serving directory.
      yardstick: The images and the classifier to measure with.
      config: Seeds and thresholds.
      baseline: The last blessed generator, to compare with.

    Returns:
      The evaluation, as `to_json` returns it, and the generator; None if it violates
      its interface, which is then the reason for not blessing it.

    Raises:
      CorruptModel: If the model cannot be read.
      RunError: If the baseline cannot be evaluated.
    """
    try:
        generator = candidate.load_candidate(model)
        measured = measure(generator, yardstick, config)
        class_figures = measure_classes(generator, yardstick, config)
    except candidate.UnfitGenerator as e:
        verdict = Verdict(False, (str(e),))
        return to_json(yardstick=yardstick, config=config, verdict=verdict), None
    path, baseline_measured = None, None
    if baseline is not None:
        try:
            served = candidate.load_candidate(baseline)
            path = str(served.path)
            baseline_measured = measure(served, yardstick, config)
        except (CorruptModel, candidate.UnfitGenerator) as e:
            raise RunError(
                f"The last blessed generator cannot be used for comparison: {e} Delete"
                " it, or use --evaluate.baseline none."
            ) from e
    figures = compare(yardstick, measured, baseline_measured)
    found = to_json(
        yardstick=yardstick,
        config=config,
        verdict=decide(figures, config),
        figures=figures,
        measured=measured,
        baseline=path,
        class_figures=class_figures,
        accuracy_scores=score_accuracy(generator, yardstick, config),
    )
    return found, generator


def measure(
    generator: Generator, yardstick: Yardstick, config: EvaluateConfig
) -> list[Measurement]:
    """Samples and measures once per seed.

    Raises:
      UnfitGenerator: If the generator violates its interface.
    """
    candidate.check_images(generator, yardstick.spec)
    candidate.check_classes(generator, yardstick.classifier.info)
    seeds = range(config.seed, config.seed + config.num_seeds)
    return [
        yardstick.measure(candidate.draw(generator, yardstick.num_images, seed))
        for seed in seeds
    ]


def measure_classes(
    generator: Generator, yardstick: Yardstick, config: EvaluateConfig
) -> list[by_class.ClassFigures]:
    """Measures each class of a conditional generator; empty without classes.

    Raises:
      UnfitGenerator: If the generator violates its interface, or all images of a class
        are the same.
    """
    if not _has_classes(generator, yardstick):
        return []
    return by_class.measure(
        generator, yardstick.classifier, yardstick.train, yardstick.test, config.seed
    )


def score_accuracy(
    generator: Generator, yardstick: Yardstick, config: EvaluateConfig
) -> dict[str, accuracy_score.Score]:
    """Computes the classification accuracy score, if it is wanted and possible."""
    if not config.accuracy_score:
        return {}
    if not _has_classes(generator, yardstick):
        console.say("  no accuracy score, since the generator is unconditional")
        return {}
    return accuracy_score.accuracy_scores(
        generator, yardstick.train, yardstick.test, config.seed
    )


def _has_classes(generator: Generator, yardstick: Yardstick) -> bool:
    has_labels = (
        yardstick.train.labels is not None and yardstick.test.labels is not None
    )
    return len(generator.classes) > 0 and has_labels


def compare(
    yardstick: Yardstick,
    measured: list[Measurement],
    baseline: list[Measurement] | None,
) -> dict[str, Figure]:
    """Combines the metrics with those of real images, noise and the baseline.

    Returns:
      Name -> figure; the first is the main one.
    """
    real, noise = yardstick.real().figures, yardstick.noise().figures
    return {
        name: Figure(
            value=_mean(name, measured),
            std=float(np.std([m.figures[name] for m in measured], ddof=1))
            if len(measured) > 1
            else None,
            real=real[name],
            noise=noise[name],
            baseline=_mean(name, baseline) if baseline else None,
            label=metric.label,
            better=metric.better,
        )
        for name, metric in yardstick.metrics.items()
    }


def decide(figures: dict[str, Figure], config: EvaluateConfig) -> Verdict:
    """Compares the metrics with the thresholds.

    The second opinion must agree: its Frechet distance is compared with that of noise
    and of the last blessed generator, too.

    Args:
      figures: The result of `compare`.
      config: The thresholds; None disables one.
    """
    main = next(iter(figures.values()))
    reasons = []
    if config.max_frechet is not None and main.value > config.max_frechet:
        reasons.append(
            f"{main.label} is {main.value:.3g}; it must be at most"
            f" {config.max_frechet:g} (--evaluate.max-frechet)"
        )
    for name, figure in figures.items():
        if figure is main or name == SECOND_OPINION:
            reasons += _check_distance(figure, config)
    coverage = figures["coverage"].value
    if config.min_coverage is not None and coverage < config.min_coverage:
        reasons.append(
            f"Coverage is {coverage:.3g}; it must be at least {config.min_coverage:g}"
            " (--evaluate.min-coverage)"
        )
    distance = figures.get("class_distance")  # None if there are no classes.
    if (
        config.max_class_distance is not None
        and distance is not None
        and distance.value > config.max_class_distance
    ):
        reasons.append(
            f"Class distance is {distance.value:.3g}; it must be at most"
            f" {config.max_class_distance:g} (--evaluate.max-class-distance)"
        )
    return Verdict(not reasons, tuple(reasons))


def _check_distance(figure: Figure, config: EvaluateConfig) -> list[str]:
    """Compares a Frechet distance with noise and the last blessed generator."""
    reasons = []
    share, worsening = config.max_frechet_share, config.max_worsening
    seen = f"{figure.label} is {figure.value:.3g}; it must be at most"
    if share is not None and figure.value > share * figure.noise:
        reasons.append(
            f"{seen} {share * figure.noise:.3g}, {share:g} times that of noise"
            " (--evaluate.max-frechet-share)"
        )
    before = figure.baseline
    if (
        worsening is not None
        and before is not None
        and figure.value > before * (1 + worsening)
    ):
        reasons.append(
            f"{seen} {worsening:.0%} above the {before:.3g} of the last blessed"
            " generator (--evaluate.max-worsening)"
        )
    return reasons


def _notes(yardstick: Yardstick) -> list[str]:
    """What limits the significance of the metrics."""
    judges = {"classifier": yardstick.classifier, "second opinion": yardstick.second}
    return [
        f"The {name} is hardly better than chance: {judge.info.accuracy:.1%} accuracy"
        f" on {judge.info.num_held_out:,} held-out images, {judge.info.chance:.1%} by"
        " chance. Metrics based on its features say little."
        for name, judge in judges.items()
        if judge is not None and judge.info.is_weak
    ]


def to_json(
    *,
    yardstick: Yardstick,
    config: EvaluateConfig,
    verdict: Verdict,
    figures: dict[str, Figure] | None = None,
    measured: list[Measurement] | None = None,
    baseline: str | None = None,
    class_figures: Sequence[by_class.ClassFigures] = (),
    accuracy_scores: Mapping[str, accuracy_score.Score] = _NO_SCORES,
) -> dict[str, Any]:
    """Converts an evaluation to the content of `metrics.json`.

    Args:
      yardstick: The images and the classifier measured with.
      config: The settings.
      verdict: The decision.
      figures: The result of `compare`; None for an unfit generator.
      measured: The result of `measure`; None for an unfit generator.
      baseline: Path of the last blessed generator.
      class_figures: The result of `measure_classes`.
      accuracy_scores: The result of `score_accuracy`.
    """
    return {
        "blessed": verdict.blessed,
        "reasons": list(verdict.reasons),
        "notes": _notes(yardstick),
        "images": dataclasses.asdict(yardstick.spec),
        "num_images": yardstick.num_images,
        "num_real_images": yardstick.num_real,
        "seeds": list(range(config.seed, config.seed + config.num_seeds)),
        "extractor": dataclasses.asdict(yardstick.classifier.info),
        "second_extractor": yardstick.second
        and dataclasses.asdict(yardstick.second.info),
        "baseline": baseline,
        "figures": {
            name: dataclasses.asdict(figure) for name, figure in (figures or {}).items()
        },
        "class_shares": {
            "real": yardstick.class_shares.tolist(),
            "generated": np.mean([m.class_shares for m in measured], axis=0).tolist()
            if measured
            else None,
        }
        if "class_distance" in yardstick.metrics
        else None,
        "by_class": [figures._asdict() for figures in class_figures],
        "accuracy_scores": {
            name: score._asdict() for name, score in accuracy_scores.items()
        },
        "config": dataclasses.asdict(config),
        "versions": {
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
        },
    }


def _mean(name: str, measurements: list[Measurement]) -> float:
    return float(np.mean([measurement.figures[name] for measurement in measurements]))
