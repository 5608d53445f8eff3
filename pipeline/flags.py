"""Command-line flags shared by the runners."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from typing import Annotated, TypeVar

import tyro

from msg_modules.common.errors import ConfigError
from msg_modules.common.local_paths import LOCAL_PATHS
from pipeline.configs import PRESETS, PipelineConfig, Preset


@dataclasses.dataclass(frozen=True)
class RunnerArgs:
    """Flags of a runner.

    The defaults shown are those of the selected preset.
    """

    config: Annotated[PipelineConfig, tyro.conf.arg(name="")]

    preset: Preset = "quickstart"
    """`quickstart`: a short training and a small evaluation, minutes on two CPU cores;
    `fashion_mnist`: the full run; `tutorial`: the article's networks and recipe, days
    on two CPU cores."""

    verbose: bool = False
    """Show all logs of TFX, Beam and TensorFlow."""


Args = TypeVar("Args", bound=RunnerArgs)


def parse(
    args_type: type[Args], argv: Sequence[str], prog: str, description: str
) -> Args:
    """Parses a runner's command line; invalid flags exit with status 2.

    Args:
      args_type: The runner's flags.
      argv: The arguments, without the program name.
      prog: The program name.
      description: The program's description in `--help`.

    Returns:
      The flags; those not given have the preset's values.

    Raises:
      ConfigError: If a value is invalid.
    """
    preset = _peek_preset(argv)
    return tyro.cli(
        args_type,
        args=list(argv),
        prog=prog,
        description=description,
        default=args_type(config=PRESETS[preset], preset=preset),
        registry=LOCAL_PATHS,
    )


def _peek_preset(argv: Sequence[str]) -> Preset:
    """Parses the preset first, since all other defaults depend on it."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--preset", default="quickstart")
    preset = parser.parse_known_args(list(argv))[0].preset
    if preset not in PRESETS:
        raise ConfigError(
            f"preset is {preset!r}; it must be one of {', '.join(PRESETS)}."
        )
    return preset
