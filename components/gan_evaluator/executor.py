"""Executor of GanEvaluator: writes its outputs only once the decision is made."""

from __future__ import annotations

import datetime
import json
import pathlib
from typing import Any

from tfx import types
from tfx.components.evaluator import constants
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import path_utils

from msg_modules.common import console, files
from msg_modules.common.errors import RunError
from msg_modules.configs import EvaluateConfig
from msg_modules.data import reading
from msg_modules.data.dataset_spec import DatasetSpec
from msg_modules.generator.saved_models import JUDGED_HASH, CorruptModel, content_hash
from msg_modules.generator.version_directories import (
    CARD_FILE,
    complete_versions,
    serving_directory,
)
from msg_modules.metrics import judge
from msg_modules.metrics.classifier import Classifier, load_judges
from msg_modules.metrics.yardstick import Yardstick
from msg_modules.report import history
from msg_modules.report.card import render_card
from msg_modules.report.illustrations import draw_pictures
from msg_modules.report.page import render_page
from msg_modules.runs.layout import METRICS_FILE, REPORT_FILE


class Executor(base_executor.BaseExecutor):
    """Executor of `GanEvaluator`."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Evaluates the model.

        Raises:
          RunError: If the classifier was trained on another dataset, there are fewer
            test images than requested, or the model or the last blessed one is corrupt.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        config = EvaluateConfig(**json.loads(exec_properties["config"]))
        dataset = DatasetSpec.of(input_dict["schema"][0])
        classifier, second = _load_judges(
            artifact_utils.get_single_uri(input_dict["classifier"]), dataset.name
        )
        examples = input_dict["examples"]
        train, test = (
            reading.load_examples(f"{artifact_utils.get_split_uri(examples, split)}/*")
            for split in ("train", "eval")
        )
        yardstick = Yardstick(
            classifier, train, test, config.num_images, config.seed, second
        )
        model = artifact_utils.get_single_instance(input_dict["model"])
        baselines = input_dict.get("baseline_model") or []
        baseline = (
            path_utils.serving_model_path(baselines[0].uri)
            if baselines
            else _newest_pushed(config, exec_properties.get("serving_dir"))
        )
        console.say(
            f"  {config.num_seeds} x {yardstick.num_images:,} generated images against"
            f" {yardstick.num_images:,} test images, using {yardstick.classifier.info}"
        )
        exported = pathlib.Path(path_utils.serving_model_path(model.uri))
        judged_hash = content_hash(exported)
        try:
            found, generator = judge.evaluate(exported, yardstick, config, baseline)
        except CorruptModel as e:
            raise RunError(
                f"The generator in {model.uri!r} is corrupt ({e.reason}); delete that"
                " directory and rerun the pipeline."
            ) from e
        runs = input_dict.get("model_run") or []
        run_dir = pathlib.Path(runs[0].uri) if runs else None
        evaluation = {
            "judged": datetime.datetime.now(datetime.timezone.utc).isoformat(
                timespec="seconds"
            ),
            "dataset": dataset.name,
            "split": exec_properties["test_split"],
            "class_names": list(dataset.class_names),
            "preparation": dataset.preparation,
            "latent_dim": generator and generator.latent_dim,
            "classes": list(generator.classes.names) if generator else [],
            "lineage": {
                name: artifacts[0].uri
                for name, artifacts in input_dict.items()
                if artifacts
            },
            **found,
            "training": run_dir and history.summarise(run_dir, yardstick),
        }
        page = render_page(
            evaluation, draw_pictures(yardstick, generator, config.seed), run_dir
        )

        artifact = artifact_utils.get_single_instance(output_dict["evaluation"])
        artifact.set_string_custom_property("preparation", dataset.preparation)
        directory = pathlib.Path(artifact.uri)
        _write(directory / REPORT_FILE, page)
        _write(directory / METRICS_FILE, json.dumps(evaluation, indent=2) + "\n")
        if not evaluation["blessed"]:
            console.say(f"  not blessed: {'; '.join(evaluation['reasons'])}")
        _bless(
            artifact_utils.get_single_instance(output_dict["blessing"]),
            evaluation,
            model,
            judged_hash,
            baselines,
        )


def _bless(
    blessing: types.Artifact,
    evaluation: dict[str, Any],
    model: types.Artifact,
    judged_hash: str,
    baselines: list[types.Artifact],
) -> None:
    """Writes the decision like TFX's Evaluator, and the card of a blessed model."""
    for key, artifact in (("current", model), *(("baseline", b) for b in baselines)):
        blessing.set_string_custom_property(f"{key}_model", artifact.uri)
        blessing.set_int_custom_property(f"{key}_model_id", artifact.id)
    blessing.set_string_custom_property(JUDGED_HASH, judged_hash)
    reason = "; ".join(evaluation["reasons"])
    blessing.set_string_custom_property(
        constants.ARTIFACT_PROPERTY_BLESSING_MESSAGE_KEY, reason
    )
    name, value = (
        (constants.BLESSED_FILE_NAME, constants.BLESSED_VALUE)
        if evaluation["blessed"]
        else (constants.NOT_BLESSED_FILE_NAME, constants.NOT_BLESSED_VALUE)
    )
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, value)
    if evaluation["blessed"]:
        _write(pathlib.Path(blessing.uri) / CARD_FILE, render_card(evaluation))
    _write(pathlib.Path(blessing.uri) / name, reason)


def _load_judges(path: str, wanted: str) -> tuple[Classifier, Classifier | None]:
    classifier, second = load_judges(path)
    if classifier.info.dataset != wanted:
        raise RunError(
            f"The classifier in {path!r} was trained on {classifier.info.dataset}, but"
            f" the images are from {wanted}; train a classifier on {wanted}."
        )
    return classifier, second


def _newest_pushed(config: EvaluateConfig, serving_dir: str | None) -> str | None:
    """The newest complete version in the serving directory, if configured."""
    if config.baseline != "serving_dir" or serving_dir is None:
        return None
    versions = complete_versions(serving_directory(serving_dir))
    return str(versions[-1]) if versions else None


def _write(path: pathlib.Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_whole(path, text)
