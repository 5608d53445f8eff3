"""What GanEvaluator does: load, measure, decide, and only then write."""

from __future__ import annotations

import json
import pathlib
from typing import Any

from tfx import types
from tfx.components.evaluator import constants
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import path_utils

from msg_modules import console, dataset, files
from msg_modules.configs import EvaluateConfig
from msg_modules.errors import RunError
from msg_modules.metrics import candidate, judge
from msg_modules.metrics.classifier import Classifier, load_classifier
from msg_modules.metrics.yardstick import Yardstick


class Executor(base_executor.BaseExecutor):
    """Executor of `GanEvaluator`."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Judges the model.

        Raises:
          RunError: If the classifier is of other images, there are fewer test
            images than asked for, or the last blessed model is damaged.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        config = EvaluateConfig(**json.loads(exec_properties["config"]))
        classifier = _load_classifier(
            artifact_utils.get_single_uri(input_dict["classifier"]),
            exec_properties["dataset"],
        )
        examples = input_dict["examples"]
        train, test = (
            dataset.load_pyramids(f"{artifact_utils.get_split_uri(examples, split)}/*")
            for split in ("train", "eval")
        )
        yardstick = Yardstick(classifier, train, test, config.num_images, config.seed)
        del train, test  # A quarter of a gigabyte.
        model = artifact_utils.get_single_instance(input_dict["model"])
        baselines = input_dict.get("baseline_model") or []
        baseline = (
            path_utils.serving_model_path(baselines[0].uri)
            if baselines
            else _newest_pushed(config, exec_properties.get("serving_dir"))
        )
        found = _judge(
            path_utils.serving_model_path(model.uri), baseline, yardstick, config
        )

        evaluation = artifact_utils.get_single_instance(output_dict["evaluation"])
        _write(
            pathlib.Path(evaluation.uri) / judge.METRICS_FILE,
            json.dumps(
                {
                    "model": model.uri,
                    "examples": examples[0].uri,
                    "classifier": input_dict["classifier"][0].uri,
                    "dataset": exec_properties["dataset"],
                    "split": exec_properties["test_split"],
                    **found,
                },
                indent=2,
            )
            + "\n",
        )
        blessing = artifact_utils.get_single_instance(output_dict["blessing"])
        for key, artifact in (
            ("current", model),
            *(("baseline", b) for b in baselines),
        ):
            blessing.set_string_custom_property(f"{key}_model", artifact.uri)
            blessing.set_int_custom_property(f"{key}_model_id", artifact.id)
        reason = "; ".join(found["reasons"])
        blessing.set_string_custom_property(
            constants.ARTIFACT_PROPERTY_BLESSING_MESSAGE_KEY, reason
        )
        blessing.set_int_custom_property(
            constants.ARTIFACT_PROPERTY_BLESSED_KEY,
            constants.BLESSED_VALUE
            if found["blessed"]
            else constants.NOT_BLESSED_VALUE,
        )
        name = (
            constants.BLESSED_FILE_NAME
            if found["blessed"]
            else constants.NOT_BLESSED_FILE_NAME
        )
        _write(pathlib.Path(blessing.uri) / name, reason)


def _load_classifier(path: str, wanted: str) -> Classifier:
    classifier = load_classifier(path)
    if classifier.info.dataset != wanted:
        raise RunError(
            f"The classifier in {path!r} was trained on {classifier.info.dataset}, and"
            f" the images are of {wanted}; train one on these."
        )
    return classifier


def _newest_pushed(config: EvaluateConfig, serving_dir: str | None) -> str | None:
    """The newest complete version in the serving directory, if it is asked for."""
    if config.baseline != "serving_dir" or serving_dir is None:
        return None
    if not any(pathlib.Path(serving_dir).glob("*/saved_model.pb")):
        return None
    return serving_dir


def _judge(
    model: str, baseline: str | None, yardstick: Yardstick, config: EvaluateConfig
) -> dict[str, Any]:
    """Measures both generators; returns what `metrics.json` holds."""
    console.say(
        f"  {config.num_seeds} x {yardstick.num_images:,} generated against"
        f" {yardstick.num_images:,} test images, by {yardstick.classifier.info}"
    )
    try:
        measured = judge.measure(candidate.load_candidate(model), yardstick, config)
    except candidate.UnfitGenerator as e:
        verdict = judge.Verdict(False, (str(e),))
        return judge.to_json(yardstick=yardstick, config=config, verdict=verdict)
    path, baseline_measured = None, None
    if baseline is not None:
        try:
            served = candidate.load_candidate(baseline)
            path = str(served.path)
            baseline_measured = judge.measure(served, yardstick, config)
        except candidate.UnfitGenerator as e:
            raise RunError(
                f"The last blessed generator cannot be compared with: {e} Delete it,"
                " or give --evaluate.baseline none."
            ) from e
    figures = judge.compare(yardstick, measured, baseline_measured)
    return judge.to_json(
        yardstick=yardstick,
        config=config,
        verdict=judge.decide(figures, config),
        figures=figures,
        measured=measured,
        baseline=path,
    )


def _write(path: pathlib.Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_whole(path, text)
