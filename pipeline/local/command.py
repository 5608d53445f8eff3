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
    "Runs the pipeline on this machine: ingests images, trains the GAN, evaluates and"
    " pushes its generator. What did not change is taken from the cache, and an"
    " interrupted run resumes."
)
_DISK_FULL = re.compile("no space left|disk is full", re.IGNORECASE)
_FAILED, _USAGE, _SIGNALLED = 1, 2, 128


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
      argv: The arguments; None for the process's own.

    Returns:
      The exit status: 0 if the run finished, also if the generator was judged not
      good enough and not pushed; 1 if it failed, 2 for wrong
      arguments, 130 or 143 if Ctrl-C or SIGTERM interrupted it.
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
            f"Another run uses {config.pipeline_root!r}; wait for it to end, or give"
            " this one another --pipeline-root."
        )
        return _FAILED
    except OSError as e:
        console.fail(str(e))
        return _FAILED
    except Interrupted as e:
        console.fail(
            "Interrupted. Run the same command again: it resumes with what was"
            " finished."
        )
        return _SIGNALLED + e.signal_number


def _check_alone(config: PipelineConfig) -> None:
    if cluster.find(config.train.strategy, config.train.workers):
        raise ConfigError(
            "TF_CONFIG makes this process a part of a job, and a pipeline runs on its"
            " own; unset TF_CONFIG here, and train the transformed examples with"
            " `msg-gan train` in each process of the job."
        )


def _check_local(config: PipelineConfig) -> None:
    """Refuses URIs, of which a path would silently make a directory here."""
    for field, path in (
        ("pipeline_root", config.pipeline_root),
        ("serving_dir", config.serving_dir),
        ("train.checkpoint_dir", config.train.checkpoint_dir),
    ):
        require(path is None or "://" not in path, field, path, "a directory, no URI")


def _absolute(config: PipelineConfig) -> PipelineConfig:
    """The same config, with paths that hold in any working directory."""
    return dataclasses.replace(
        config,
        pipeline_root=str(pathlib.Path(config.pipeline_root).absolute()),
        serving_dir=str(config.serving_path.absolute()),
        data=dataclasses.replace(
            config.data, data_dir=_absolute_path(config.data.data_dir)
        ),
        train=dataclasses.replace(
            config.train, checkpoint_dir=_absolute_path(config.train.checkpoint_dir)
        ),
    )


def _absolute_path(path: str | None) -> str | None:
    """A path that may be a URI, or not be given, made absolute."""
    return path if path is None or "://" in path else os.path.abspath(path)


def _make_writable(config: PipelineConfig) -> None:
    """Finds out now, and not after the training, that a place cannot be written."""
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
                f"{field} is {str(path)!r}, which cannot be written"
                f" ({e.strerror}); name a directory that can."
            ) from e


def _run(config: PipelineConfig, verbose: bool, received: list[int]) -> int:
    start = time.monotonic()
    console.say("Loading TensorFlow and TFX ...")
    # Here and not above: these take half a minute, and `--help` needs none.
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
    """Says in one line what went wrong in a component; returns the exit status."""
    if isinstance(error, Interrupted):
        console.fail(
            f"Interrupted in {component}. Run the same command again: it resumes with"
            " what was finished."
        )
        return _SIGNALLED + error.signal_number
    if verbose:
        traceback.print_exception(error)
    message = root_message(error)
    if _DISK_FULL.search(message):
        message = (
            f"no space left on the disk of {pipeline_root!r}; free some and run the"
            " same command again"
        )
    elif not verbose and not isinstance(error, (ConfigError, RunError)):
        message += " (--verbose shows more)"
    console.fail(f"{component} failed: {message}")
    return _FAILED


def _summarise(found: Results, seconds: float) -> None:
    """Says where everything lies and what to do next."""
    from msg_modules.training import run_fn

    _say_verdict(found)
    served = found.pushed if found.pushed and found.pushed.exists() else None
    console.say(f"\nFinished in {seconds:.0f} s.")
    for name, path in (
        ("Report, open it in a browser", found.report),
        ("Sheet, real and generated", found.model_run / run_fn.SHEET_NAME),
        ("Loss curves", found.model_run / run_fn.CURVES_NAME),
        ("Animation of the training", found.model_run / run_fn.ANIMATION_NAME),
        ("Samples, TensorBoard, stats", found.model_run),
        ("All figures", found.metrics),
        ("Pushed generator", served),
    ):
        if path:
            console.say(f"  {name + ':':<31}{_short(path)}")
    if model := served or found.newest:
        console.say(
            f"\nDraw from {'the' if served else 'the last blessed'} generator:\n"
            f"  uv run msg-gan sample --model {_short(model)}"
            " --num-images 64 --output grid.png"
        )
    if found.pushed and not served:
        console.say(
            f"\n{_short(found.pushed)} was deleted after it was pushed, and stays"
            f" deleted. To serve it again, copy {_short(found.pushed_copy)} there."
        )
    elif served and found.newest and found.newest != served:
        console.say(
            f"\n{_short(found.newest)} is newer, and what a server takes; delete it to"
            " serve the generator of this run."
        )


def _say_verdict(found: Results) -> None:
    """Says how good the generator is, and whether it was pushed."""
    from msg_modules.metrics import summary

    for line in summary.lines(found.evaluation):
        console.say(line)
    if found.evaluation["blessed"]:
        console.say("Blessed: the generator was pushed.")
        return
    reasons = ". ".join(found.evaluation["reasons"])
    served = f" {_short(found.newest)} stays served." if found.newest else ""
    console.warn(f"Not blessed, so the generator was not pushed. {reasons}.{served}")


def _short(path: pathlib.Path) -> str:
    """The path as one would type it here."""
    here = pathlib.Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
