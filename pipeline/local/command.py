"""The command `local_runner.py`."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
import sys
import time
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING

import filelock

from msg_modules.common import console, signals
from msg_modules.common.errors import ConfigError, Interrupted, RunError, root_message
from msg_modules.configs import require
from msg_modules.training import cluster
from pipeline import flags
from pipeline.configs import PipelineConfig

if TYPE_CHECKING:
    from msg_modules.runs.results import Results

_DESCRIPTION = (
    "Runs the pipeline on this machine: ingests images, trains the GAN, evaluates the"
    " generator and pushes it. Unchanged steps are cache hits, and an interrupted run"
    " resumes."
)
_DISK_FULL = re.compile("no space left|disk is full", re.IGNORECASE)
_FAILED, _USAGE, _SIGNALLED = 1, 2, 128


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
      argv: The arguments; None for `sys.argv`.

    Returns:
      The exit status: 0 if the run finished, even if the generator was not blessed
      and so not pushed; 1 if it failed; 2 for invalid arguments; 130 or 143 if
      interrupted by Ctrl-C or SIGTERM.
    """
    try:
        args = flags.parse(
            flags.RunnerArgs,
            sys.argv[1:] if argv is None else argv,
            prog="local_runner.py",
            description=_DESCRIPTION,
        )
        _check_local(args.config)
        config = _absolute(args.config)
        _check_alone(config)
        console.quiet_libraries(args.verbose)
        _make_writable(config)
        with (
            filelock.FileLock(
                pathlib.Path(config.pipeline_root) / ".lock", blocking=False
            ),
            signals.caught() as received,
        ):
            return _run(config, args.verbose, received)
    except ConfigError as e:
        console.fail(str(e))
        return _USAGE
    except filelock.Timeout:
        console.fail(
            f"Another run is using {config.pipeline_root!r}; wait for it to finish, or"
            " choose another --pipeline-root."
        )
        return _FAILED
    except OSError as e:
        console.fail(str(e))
        return _FAILED
    except Interrupted as e:
        console.fail("Interrupted. Run the same command again to resume.")
        return _SIGNALLED + e.signal_number


def _check_alone(config: PipelineConfig) -> None:
    if cluster.find(config.train.strategy, config.train.workers):
        raise ConfigError(
            "TF_CONFIG makes this process a worker of a distributed job, but the"
            " pipeline runs in a single process; unset TF_CONFIG here, and run"
            " `msg-gan train` on the transformed examples in each worker of the job."
        )


def _check_local(config: PipelineConfig) -> None:
    """Rejects URIs, which `pathlib` would silently turn into local directories."""
    for field, path in (
        ("pipeline_root", config.pipeline_root),
        ("serving_dir", config.serving_dir),
        ("train.checkpoint_dir", config.train.checkpoint_dir),
    ):
        require(
            path is None or "://" not in path,
            field,
            path,
            "a local directory, not a URI",
        )


def _absolute(config: PipelineConfig) -> PipelineConfig:
    """Makes paths independent of the working directory."""
    return dataclasses.replace(
        config,
        pipeline_root=str(pathlib.Path(config.pipeline_root).absolute()),
        serving_dir=str(config.serving_path.absolute()),
        data=dataclasses.replace(
            config.data,
            data_dir=_absolute_path(config.data.data_dir),
            folder=_absolute_path(config.data.folder),
        ),
        train=dataclasses.replace(
            config.train, checkpoint_dir=_absolute_path(config.train.checkpoint_dir)
        ),
    )


def _absolute_path(path: str | None) -> str | None:
    return (
        path
        if path is None or "://" in path
        else os.path.abspath(os.path.expanduser(path))
    )


def _make_writable(config: PipelineConfig) -> None:
    """Checks that all output directories are writable, before hours of training."""
    for field, path in (
        ("pipeline_root", pathlib.Path(config.pipeline_root)),
        ("serving_dir", config.serving_path),
        (
            "train.checkpoint_dir",
            pathlib.Path(config.train.checkpoint_dir or config.checkpoint_path),
        ),
    ):
        probe = path / f".probe-{os.getpid()}"
        try:
            path.mkdir(parents=True, exist_ok=True)
            probe.touch()
            probe.unlink()
        except OSError as e:
            raise ConfigError(
                f"{field} is {str(path)!r}, which is not writable ({e.strerror});"
                " choose a writable directory."
            ) from e


def _run(config: PipelineConfig, verbose: bool, received: list[int]) -> int:
    start = time.monotonic()
    console.say("Loading TensorFlow and TFX ...")
    # Imported late: loading these takes a while, and `--help` needs none of it.
    from msg_modules.runs import results
    from msg_modules.training.distribution import configure_devices
    from pipeline import datasets
    from pipeline.local import runner
    from pipeline.pipeline import create_pipeline

    console.say(f"Loading TensorFlow and TFX: done ({time.monotonic() - start:.1f} s)")
    configure_devices(config.train.strategy, config.train.replicas)
    data, warning = datasets.resolve(config.data)
    config = dataclasses.replace(config, data=data)
    if warning:
        console.warn(warning)
    console.say(f"Dataset {data.dataset}, pipeline root {config.pipeline_root}")
    try:
        runner.LocalDagRunner().run(create_pipeline(config))
    except runner.ComponentFailed as failure:
        error = Interrupted(received[0]) if received else failure.error
        return _explain(failure.component, error, config.pipeline_root, verbose)
    if received:
        raise Interrupted(received[0])
    found = results.find(
        pathlib.Path(config.pipeline_root), config.name, config.serving_path
    )
    _summarise(found, time.monotonic() - start)
    if warning:
        console.warn(warning)
    return 0


def _explain(
    component: str, error: Exception, pipeline_root: str, verbose: bool
) -> int:
    """Prints a one-line reason for a component's failure; returns the exit status."""
    if isinstance(error, Interrupted):
        console.fail(
            f"Interrupted in {component}. Run the same command again to resume."
        )
        return _SIGNALLED + error.signal_number
    if verbose:
        traceback.print_exception(error)
    message = root_message(error)
    if _DISK_FULL.search(message):
        message = (
            f"no space left on the disk of {pipeline_root!r}; free some space and run"
            " the same command again to resume"
        )
    elif not verbose and not isinstance(error, (ConfigError, RunError)):
        message += " (use --verbose for details)"
    console.fail(f"{component} failed: {message}")
    return _FAILED


def _summarise(found: Results, seconds: float) -> None:
    """Prints the paths of the results and suggests next steps."""
    from msg_modules.training import run_fn

    _say_verdict(found)
    served = found.pushed if found.pushed and found.pushed.exists() else None
    console.say(f"\nFinished in {seconds:.0f} s.")
    for name, path in (
        ("Report (open in a browser)", found.report),
        ("Real and generated samples", found.model_run / run_fn.SHEET_NAME),
        ("Loss curves", found.model_run / run_fn.CURVES_NAME),
        ("Training animation", found.model_run / run_fn.ANIMATION_NAME),
        ("Samples, TensorBoard, stats", found.model_run),
        ("All metrics", found.metrics),
        ("Pushed generator", served),
    ):
        if path:
            console.say(f"  {name + ':':<31}{_short(path)}")
    if model := served or found.newest:
        console.say(
            f"\nSample from {'the' if served else 'the last blessed'} generator:\n"
            f"  uv run msg-gan sample --model {_short(model)}"
            " --num-images 64 --output grid.png"
        )
    if found.pushed and not served:
        console.say(
            f"\n{_short(found.pushed)} was deleted after it was pushed and is not"
            f" restored. To serve it again, copy {_short(found.pushed_copy)} there."
        )
    elif served and found.newest and found.newest != served:
        console.say(
            f"\n{_short(found.newest)} is newer, so a server loads that version; delete"
            " it to serve the generator of this run."
        )


def _say_verdict(found: Results) -> None:
    """Prints how good the generator is, and whether it was pushed."""
    from msg_modules.metrics import summary

    for line in summary.lines(found.evaluation):
        console.say(line)
    if found.evaluation["blessed"]:
        console.say("Blessed: the generator was pushed.")
        return
    reasons = ". ".join(found.evaluation["reasons"])
    served = f" {_short(found.newest)} remains in service." if found.newest else ""
    console.warn(f"Not blessed: the generator was not pushed. {reasons}.{served}")


def _short(path: pathlib.Path) -> str:
    """The path relative to the working directory, if it is below it."""
    here = pathlib.Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
