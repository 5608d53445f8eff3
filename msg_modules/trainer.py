"""What TFX's Trainer calls."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

from tfx.components.trainer.fn_args_utils import FnArgs

from msg_modules import (
    curves,
    dataset,
    export,
    reporting,
    sheets,
    training,
    work_dirs,
)
from msg_modules.configs import ModelConfig, TrainConfig

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
        with a `checkpoint_root`, where each training that has no
        `checkpoint_dir` gets a directory (default: `model_run_dir`).
        `model_run_dir` gets `sheet.png`, `losses.png`, `training.gif`,
        `samples/`, `stats.jsonl`, `tensorboard/` and the last `checkpoints/`.

    Raises:
      ConfigError: If the settings do not fit, or `checkpoint_dir` holds another
        training.
      RunError: If the training cannot go on.
    """
    settings = fn_args.custom_config
    model = ModelConfig(**settings["model"])
    config = TrainConfig(**settings["train"], steps=fn_args.train_steps)
    pyramids = dataset.load_pyramids(fn_args.train_files)
    # Edited code begins another training, like other images.
    training_settings = work_dirs.describe(
        model, config, pyramids, code=settings.get("weights_code", "")
    )
    if config.checkpoint_dir:
        work_dir = work_dirs.by_name(
            config.checkpoint_dir,
            training_settings,
            config.steps,
            config.allow_changed,
        )
    else:
        work_dir = work_dirs.by_settings(
            settings.get("checkpoint_root", fn_args.model_run_dir),
            training_settings,
            config.steps,
        )
    gan = training.train(model, config, pyramids, work_dir)
    export.export(gan.ema_generator, model.latent_dim, fn_args.serving_model_dir)
    run_dir = pathlib.Path(fn_args.model_run_dir)
    run_dir.mkdir(parents=True, exist_ok=True)
    work_dirs.copy_content(work_dir, run_dir)
    draw_results(run_dir)
    if not config.checkpoint_dir:
        work_dirs.mark_finished(work_dir)


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
