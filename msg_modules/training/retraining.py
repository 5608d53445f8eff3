"""Settles what a training that starts from the served generator does."""

from __future__ import annotations

import dataclasses

from msg_modules.common import console
from msg_modules.configs import TrainConfig
from msg_modules.training import served, starting_point, work_dirs
from msg_modules.training.work_dirs import Settings


def settle(
    config: TrainConfig, settings: Settings, serving_dir: str, checkpoint_root: str
) -> tuple[TrainConfig, Settings]:
    """Settles it, and says in a line which it is.

    Args:
      config: Training settings, of which `start_from` is `served`.
      settings: The result of `work_dirs.describe`, without a starting point.
      serving_dir: Directory that generators are pushed to.
      checkpoint_root: Parent of the work directories of trainings.

    Returns:
      The settings to train with, and what identifies the training. If neither images,
      settings nor code have changed, it is the served training itself, with at least
      its number of steps; otherwise a new one, from its weights or, if no version is
      served, from scratch.

    Raises:
      ConfigError: As `served.find` does, or if the training's settings cannot be read.
      RunError: If `serving_dir` is a URI.
    """
    found = served.find(serving_dir, checkpoint_root)
    if found is None:
        console.say(f"  no version is served in {serving_dir}: training from scratch")
        return dataclasses.replace(config, start_from=None), settings
    saved = work_dirs.starting_point_of(found.directory)
    same = work_dirs.with_start(settings, saved)
    reached = starting_point.step_of(starting_point.find(str(found.directory)))
    if work_dirs.holds(found.directory, same):
        if config.steps > reached:
            console.say(
                f"  nothing new since version {found.version}, except for the number"
                " of steps: its training goes on"
            )
            return dataclasses.replace(config, start_from=None), same
        if reached == found.step:
            console.say(
                f"  nothing new since version {found.version}: same images, settings"
                " and code; its training is reused"
            )
            return dataclasses.replace(config, start_from=None, steps=reached), same
    console.say(f"  training on from version {found.version}, which is served")
    started = dataclasses.replace(config, start_from=str(found.directory))
    fingerprint = starting_point.fingerprint(str(found.directory))
    return started, work_dirs.with_start(settings, fingerprint)
