"""The flags of a runner."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from typing import Annotated, TypeVar

import tyro

from msg_modules.common.errors import ConfigError
from pipeline.configs import PRESETS, PipelineConfig, Preset


@dataclasses.dataclass(frozen=True)
class RunnerArgs:
    """Flags of a runner.

    The defaults shown are those of the preset; every flag overrides one.
    """

    config: Annotated[PipelineConfig, tyro.conf.arg(name="")]

    preset: Preset = "quickstart"
    """`quickstart`: minutes on two cores; `fashion_mnist`: the full run;
    `tutorial`: the article's networks and recipe, weeks on two CPU cores."""

    verbose: bool = False
    """Show all that TFX, Beam and TensorFlow log."""


Args = TypeVar("Args", bound=RunnerArgs)


def parse(
    args_type: type[Args], argv: Sequence[str], prog: str, description: str
) -> Args:
    """Reads a runner's command line; wrong flags end the process with status 2.

    Args:
      args_type: The runner's flags.
      argv: The arguments, without the program's name.
      prog: The program's name.
      description: What the program does, for `--help`.

    Returns:
      The flags, with what is not given taken from the preset.

    Raises:
      ConfigError: If a value is not allowed.
    """
    preset = _peek_preset(argv)
    return tyro.cli(
        args_type,
        args=list(argv),
        prog=prog,
        description=description,
        default=args_type(config=PRESETS[preset], preset=preset),
    )


def _peek_preset(argv: Sequence[str]) -> Preset:
    """Finds the preset first: it decides all other defaults."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--preset", default="quickstart")
    preset = parser.parse_known_args(list(argv))[0].preset
    if preset not in PRESETS:
        raise ConfigError(
            f"preset is {preset!r}; it must be one of {', '.join(PRESETS)}."
        )
    return preset
