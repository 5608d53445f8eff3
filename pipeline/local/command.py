"""The command `local_runner.py`."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msg_modules.common import console, locks, outcome, signals
from msg_modules.common.errors import ConfigError, RunError, explain
from msg_modules.configs import require
from msg_modules.generator import version_directories
from msg_modules.training import cluster, served, starting_point
from pipeline import flags
from pipeline.configs import PRESETS, PipelineConfig, Preset

if TYPE_CHECKING:
    from msg_modules.runs.results import Results

_DESCRIPTION = (
    "Runs the pipeline on this machine: ingests images, trains the GAN, evaluates the"
    " generator and pushes it. Unchanged steps are cache hits, and an interrupted run"
    " resumes."
)


_PATTERN = frozenset("*?[]")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
      argv: The arguments; None for `sys.argv`.

    Returns:
      The exit status: 0 if the run finished, even if the generator was not blessed
      and so not pushed; 1 if it failed; 2 for invalid arguments; 130 or 143 if
      interrupted by Ctrl-C or SIGTERM.
    """
    argv = sys.argv[1:] if argv is None else argv
    return outcome.run(lambda: _main(argv), argv)


def _main(argv: Sequence[str]) -> None:
    args = flags.parse(
        flags.RunnerArgs, argv, prog="local_runner.py", description=_DESCRIPTION
    )
    _check_local(args.config)
    config = _absolute(args.config)
    _check_alone(config)
    _check_start(config)
    _make_writable(config)
    in_use = (
        f"Another run is using {config.pipeline_root!r}; wait for it to finish, or"
        " choose another --pipeline-root."
    )
    with (
        locks.exclusive(pathlib.Path(config.pipeline_root) / ".lock", in_use),
        signals.caught(signals.RESUME),
    ):
        _run(config, args.preset)


def _check_alone(config: PipelineConfig) -> None:
    if cluster.find(config.train.strategy, config.train.workers):
        raise ConfigError(
            "TF_CONFIG makes this process a worker of a distributed job, but the"
            " pipeline runs in a single process; unset TF_CONFIG here, and run"
            " `msg-gan train` on the transformed examples in each worker of the job."
        )


def _check_start(config: PipelineConfig) -> None:
    """Looks for the weights to start from, before the images are ingested."""
    if config.train.starts_from_served:
        served.find(str(config.serving_path), str(config.checkpoint_path))
    elif config.train.start_from:
        starting_point.find(config.train.start_from)


def _check_local(config: PipelineConfig) -> None:
    """Rejects paths that libraries would take for something else.

    `pathlib` turns URIs into local directories, and TFX and Beam search the pipeline
    root with file patterns.
    """
    for field, path in (
        ("pipeline_root", config.pipeline_root),
        ("serving_dir", config.serving_dir),
        ("train.checkpoint_dir", config.train.checkpoint_dir),
        ("train.start_from", config.train.start_directory),
    ):
        require(
            path is None or "://" not in path,
            field,
            path,
            "a local directory, not a URI",
        )
    require(
        not _PATTERN.intersection(config.pipeline_root),
        "pipeline_root",
        config.pipeline_root,
        "a directory without any of * ? [ ] in its name, which TFX takes for a pattern",
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
            config.train,
            checkpoint_dir=_absolute_path(config.train.checkpoint_dir),
            start_from=_absolute_path(config.train.start_directory)
            or config.train.start_from,
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


def _run(config: PipelineConfig, preset: Preset) -> None:
    start = time.monotonic()
    console.say("Loading TensorFlow and TFX ...")
    # Imported late: loading these takes a while, and `--help` needs none of it.
    from components.tfds_example_gen import resolution
    from msg_modules.gan import networks
    from msg_modules.runs import database, results
    from msg_modules.training.distribution import configure_devices
    from pipeline.local import runner
    from pipeline.pipeline import create_pipeline, starting_point_of

    console.say(f"Loading TensorFlow and TFX: done ({time.monotonic() - start:.1f} s)")
    database.check(config.metadata_path)
    _say_moved(config)
    configure_devices(config.train.strategy, config.train.replicas)
    data, warning = resolution.resolve(config.data)
    networks.check(config.model.network, data.images)
    config = dataclasses.replace(config, data=data)
    if warning:
        console.warn(warning)
    console.say(f"Dataset {data.dataset}, pipeline root {config.pipeline_root}")
    if preset == "quickstart":
        _say_small(config)
    try:
        start_from = starting_point_of(config)
        runner.LocalDagRunner().run(create_pipeline(config, start_from))
    except runner.ComponentFailed as failure:
        signals.check(failure.component)
        reason = explain(
            failure.error,
            config.pipeline_root,
            _if_damaged(config, failure.component),
        )
        raise RunError(f"{failure.component} failed: {reason}") from failure
    found = results.find(
        pathlib.Path(config.pipeline_root), config.name, config.serving_path
    )
    _summarise(found, time.monotonic() - start)
    if warning:
        console.warn(warning)


def _say_small(config: PipelineConfig) -> None:
    """Says what the quickstart makes smaller, and which flags undo it."""
    small = PRESETS["quickstart"]
    limit, seeds = small.classifier.max_steps, small.evaluate.num_seeds
    kept = [
        text
        for is_kept, text in (
            (
                config.train.steps == small.train.steps,
                f"{small.train.steps:,} training steps (--train.steps)",
            ),
            (
                config.classifier.max_steps == limit,
                f"at most {limit} steps of the classifier (--classifier.max-steps)",
            ),
            (
                config.evaluate.num_seeds == seeds,
                f"{seeds} evaluation seed (--evaluate.num-seeds)",
            ),
        )
        if is_kept
    ]
    if kept:
        console.say(f"Small, for a quick start: {', '.join(kept)}")


def _say_moved(config: PipelineConfig) -> None:
    """Says what becomes of the artifacts of a pipeline root that was moved."""
    from msg_modules.runs import database, results

    if not database.has_records(config.metadata_path):
        return
    if root := results.moved_from(pathlib.Path(config.pipeline_root)):
        console.say(
            f"{config.pipeline_root} was moved from {root}: all steps run"
            " again, but a training with the same settings is resumed or reused."
        )


def _if_damaged(config: PipelineConfig, component: str) -> str:
    """The remedy in case that a component failed because of a damaged file."""
    from msg_modules.runs import results

    try:
        read = results.inputs(
            pathlib.Path(config.pipeline_root), config.name, component
        )
    except Exception:  # The database may be what has failed.
        return ""
    if not read:
        return ""
    return (
        "if a file that it reads is damaged, delete"
        f" {', '.join(map(repr, sorted(set(read))))} and run the same command again"
    )


def _summarise(found: Results, seconds: float) -> None:
    """Prints the paths of the results and suggests next steps."""
    from msg_modules.training import run_fn

    _say_verdict(found)
    pushed = found.pushed if found.pushed and found.pushed.exists() else None
    console.say(f"\nFinished in {seconds:.0f} s.")
    for name, path in (
        ("Report (open in a browser)", found.report),
        ("Real and generated samples", found.model_run / run_fn.SHEET_NAME),
        ("Loss curves", found.model_run / run_fn.CURVES_NAME),
        ("Training animation", found.model_run / run_fn.ANIMATION_NAME),
        ("Samples, TensorBoard, stats", found.model_run),
        ("All metrics", found.metrics),
        ("Pushed generator", pushed),
    ):
        if path:
            console.say(f"  {name + ':':<31}{_short(path)}")
    if model := pushed or found.served:
        console.say(
            f"\nSample from the {'pushed' if pushed else 'served'} generator:\n"
            f"  uv run msg-gan sample --model {_short(model)}"
            " --num-images 64 --output grid.png"
        )
    if found.pushed and found.pushed != found.served:
        _say_not_served(found.pushed, found)


def _say_not_served(pushed: pathlib.Path, found: Results) -> None:
    """Prints why the generator of this run is not served, and how to serve it again."""
    if pushed.exists():
        reason = f"{_short(found.served or pushed)} is newer, so servers load that one"
    elif version_directories.rolled_back(pushed).exists():
        reason = f"{_short(pushed)} was rolled back after it was pushed"
    else:
        console.say(
            f"\n{_short(pushed)} was deleted after it was pushed and is not restored."
            f" To serve it again, copy {_short(found.pushed_copy)} there."
        )
        return
    console.say(
        f"\n{reason}. To serve the generator of this run:\n"
        f"  uv run msg-gan rollback --serving-dir {_short(pushed.parent)}"
        f" --to {pushed.name}"
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
    served = f" {_short(found.served)} remains in service." if found.served else ""
    console.warn(f"Not blessed: the generator was not pushed. {reasons}.{served}")


def _short(path: pathlib.Path) -> str:
    """The path relative to the working directory, if it is below it."""
    here = pathlib.Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
