"""Entry point of TFX's Trainer."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msg_modules.configs import ModelConfig, TrainConfig
from msg_modules.data import reading
from msg_modules.data.class_spec import ClassSpec
from msg_modules.data.examples import Examples
from msg_modules.gan import networks
from msg_modules.generator import export
from msg_modules.pictures import curves, sheets
from msg_modules.training import (
    distribution,
    loop,
    reporting,
    retraining,
    served,
    work_dirs,
)

if TYPE_CHECKING:
    from tfx.components.trainer.fn_args_utils import FnArgs

SHEET_NAME = "sheet.png"
CURVES_NAME = "losses.png"
ANIMATION_NAME = "training.gif"


def to_custom_config(model: ModelConfig, train: TrainConfig) -> dict[str, Any]:
    """Converts settings to the Trainer's `custom_config`.

    `steps` goes in TrainArgs; GanTrainer fills in the names of the classes.
    """
    recipe = dataclasses.asdict(train)
    del recipe["steps"]
    return {
        "model": dataclasses.asdict(model),
        "train": recipe,
        "class_names": [],
    }


def read_custom_config(fn_args: FnArgs) -> tuple[ModelConfig, TrainConfig]:
    """Reads the settings that `to_custom_config` wrote.

    Args:
      fn_args: TFX's arguments.

    Raises:
      ConfigError: If a runtime parameter set an invalid value.
    """
    settings = fn_args.custom_config
    return (
        ModelConfig(**settings["model"]),
        TrainConfig(**settings["train"], steps=fn_args.train_steps),
    )


def run_fn(fn_args: FnArgs) -> None:
    """Trains, exports the generator and writes the pictures of the training.

    Args:
      fn_args: TFX's arguments. `custom_config` is that of `to_custom_config`, plus
        `checkpoint_root`, under which a training without `checkpoint_dir` gets a
        directory (default: `model_run_dir`), `weights_code`, the hash of the code, and
        `serving_dir`, as for `train_and_export`.
        `model_run_dir` gets `sheet.png`, `losses.png`, `training.gif`, `samples/`,
        `draws/`, `stats.jsonl`, `tensorboard/` and the last `checkpoints/`.

    Raises:
      ConfigError: If a setting is invalid, or `checkpoint_dir` holds another training.
      RunError: If training fails.
    """
    settings = fn_args.custom_config
    model, train = read_custom_config(fn_args)
    train_and_export(
        model,
        train,
        fn_args.train_files,
        model_dir=fn_args.serving_model_dir,
        run_dir=fn_args.model_run_dir,
        checkpoint_root=settings.get("checkpoint_root", fn_args.model_run_dir),
        code=settings.get("weights_code", ""),
        serving_dir=settings.get("serving_dir"),
        class_names=settings["class_names"],
    )


def train_and_export(
    model: ModelConfig,
    config: TrainConfig,
    examples: Sequence[str],
    *,
    model_dir: str,
    run_dir: str,
    checkpoint_root: str,
    code: str = "",
    serving_dir: str | None = None,
    class_names: Sequence[str] = (),
) -> None:
    """Implements `run_fn` without TFX, in one process or as one of several.

    Args:
      model: Network settings.
      config: Training settings.
      examples: File patterns of the transformed examples.
      model_dir: Gets the SavedModel; written by the chief.
      run_dir: As `model_run_dir` in `run_fn`; written by the chief.
      checkpoint_root: A training without `checkpoint_dir` gets a directory in here.
      code: Identifier of the code version; as with the images, a change starts
        training from scratch.
      serving_dir: Where generators are pushed to, if anywhere. The trainings of its
        versions are kept in `checkpoint_root`; the served one's may be started from.
      class_names: Names of the classes, if the examples have labels. Default: the
        labels' numbers.

    Raises:
      ConfigError: If a setting is invalid, `checkpoint_dir` holds another training, or
        that of the served version is not found.
      RunError: If training fails, or another process runs the same training.
    """
    images, classes = load_training_data(model, examples, class_names)
    strategy = distribution.make_strategy(config.strategy, config.replicas)
    settings = work_dirs.describe(
        model, config, images, code, len(classes), strategy.num_replicas_in_sync
    )
    if config.starts_from_served:
        assert serving_dir is not None
        config, settings = retraining.settle(
            config, settings, serving_dir, checkpoint_root
        )
    if config.start_from:
        work_dirs.check_start(config.start_from, settings)
    root = pathlib.Path(config.checkpoint_dir or checkpoint_root)
    with contextlib.ExitStack() as stack:
        own_root = stack.enter_context(
            distribution.working_directory(config.strategy, root)
        )
        is_chief = own_root == root
        if is_chief and config.checkpoint_dir:
            work_dir = work_dirs.by_name(
                config.checkpoint_dir, settings, config.steps, config.allow_changed
            )
        else:
            work_dir = work_dirs.by_settings(str(own_root), settings, config.steps)
        stack.enter_context(work_dirs.opened(work_dir, settings))
        gan = loop.train(model, config, images, work_dir, classes)
        if not is_chief:
            return
        # A directory that the user named does not say which training it holds.
        name = work_dirs.name_of(settings) if config.checkpoint_dir else work_dir.name
        export.export(
            gan.ema_generator,
            model.latent_dim,
            model_dir,
            classes,
            training=(name, config.steps),
        )
        run = pathlib.Path(run_dir)
        run.mkdir(parents=True, exist_ok=True)
        work_dirs.copy_content(work_dir, run)
        draw_results(run)
        if not config.checkpoint_dir:
            kept = served.trainings(serving_dir) if serving_dir else ()
            work_dirs.mark_finished(work_dir, kept)


def load_training_data(
    model: ModelConfig, examples: Sequence[str], class_names: Sequence[str]
) -> tuple[Examples, ClassSpec]:
    """Reads the training images, and settles the classes to condition on.

    Args:
      model: Network settings.
      examples: File patterns of the transformed examples.
      class_names: Names of the classes, if the examples have labels. Default: the
        labels' numbers.

    Returns:
      The images; and the classes, none if the network does not take classes or the
      images have no labels.

    Raises:
      RunError: If the examples cannot be read, or a label is out of range.
    """
    images = reading.load_examples(examples)
    return images, choose_classes(model, images, class_names)


def choose_classes(
    model: ModelConfig, images: Examples, class_names: Sequence[str] = ()
) -> ClassSpec:
    """Settles the classes to condition on.

    Args:
      model: Network settings.
      images: The training images.
      class_names: Names of the classes. Default: the labels' numbers.

    Returns:
      The classes, none if the network does not take classes or the images have no
      labels.

    Raises:
      RunError: If a label is out of range.
    """
    conditional = model.conditional and networks.takes_classes(model.network)
    if images.labels is None or not conditional:
        return ClassSpec()
    names = class_names or [str(label) for label in range(images.labels.max() + 1)]
    return ClassSpec.of_labels(images.labels, names)


def draw_results(run_dir: pathlib.Path) -> None:
    """Writes the sheet, loss curves and animation of a finished training.

    Args:
      run_dir: A directory with `samples/` and `stats.jsonl`.
    """
    samples = run_dir / "samples"
    steps = sheets.read_steps(samples)
    sheet = sheets.side_by_side(
        [sheets.read_real(samples), steps[-1]], ["training images", "generated images"]
    )
    sheets.save_image(sheet, run_dir / SHEET_NAME)
    sheets.save_animation(steps, run_dir / ANIMATION_NAME)
    curves.save_curves(reporting.read_stats(run_dir), run_dir / CURVES_NAME)
