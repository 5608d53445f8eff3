"""What TFX's Trainer calls."""

from __future__ import annotations

import dataclasses
import pathlib
import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msg_modules import (
    checkpoints,
    curves,
    dataset,
    distribution,
    export,
    reporting,
    sheets,
    training,
)
from msg_modules.configs import ModelConfig, TrainConfig

if TYPE_CHECKING:
    from tfx.components.trainer.fn_args_utils import FnArgs

SHEET_NAME = "sheet.png"
CURVES_NAME = "losses.png"
ANIMATION_NAME = "training.gif"


def to_custom_config(model: ModelConfig, train: TrainConfig) -> dict[str, Any]:
    """The settings as the Trainer's `custom_config`; `steps` goes in TrainArgs."""
    recipe = dataclasses.asdict(train)
    del recipe["steps"]
    return {"model": dataclasses.asdict(model), "train": recipe}


def run_fn(fn_args: FnArgs) -> None:
    """Trains, exports the generator and draws what people look at.

    Args:
      fn_args: TFX's arguments; `custom_config` as `to_custom_config` makes it,
        with a `checkpoint_dir`. `model_run_dir` gets `sheet.png`, `losses.png`,
        `training.gif`, `samples/`, `stats.jsonl`, `tensorboard/` and the last
        `checkpoints/`.

    Raises:
      ConfigError: If the settings do not fit.
      RunError: If the training cannot go on.
    """
    settings = fn_args.custom_config
    train_and_export(
        ModelConfig(**settings["model"]),
        TrainConfig(**settings["train"], steps=fn_args.train_steps),
        fn_args.train_files,
        model_dir=fn_args.serving_model_dir,
        run_dir=fn_args.model_run_dir,
        code=settings.get("weights_code", ""),
    )


def train_and_export(
    model: ModelConfig,
    config: TrainConfig,
    examples: Sequence[str],
    *,
    model_dir: str,
    run_dir: str,
    code: str = "",
) -> None:
    """What `run_fn` does, without TFX; alone or as one process of several.

    Args:
      model: The networks.
      config: The recipe.
      examples: Patterns of the files that Transform wrote.
      model_dir: Gets the SavedModel, from the chief.
      run_dir: What `run_fn` says of `model_run_dir`, from the chief.
      code: What names the code: edited code begins another training, like other
        images.

    Raises:
      ConfigError: If the settings do not fit.
      RunError: If the training cannot go on.
    """
    checkpoint_dir = pathlib.Path(config.checkpoint_dir or run_dir)
    with distribution.working_directory(config.strategy, checkpoint_dir) as own_dir:
        work_dir = checkpoints.work_dir(
            str(own_dir), model, config, data=f"{','.join(examples)} {code}"
        )
        pyramids = dataset.load_pyramids(examples)
        gan = training.train(model, config, pyramids, work_dir)
        if own_dir != checkpoint_dir:
            return  # The chief exports.
        export.export(gan.ema_generator, model.latent_dim, model_dir)
        shutil.copytree(work_dir, run_dir, dirs_exist_ok=True)
        draw_results(pathlib.Path(run_dir))
        checkpoints.mark_finished(work_dir)


def draw_results(run_dir: pathlib.Path) -> None:
    """Draws the sheet, the curves and the animation of a finished training.

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
