"""The command `kubeflow_runner.py`."""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
import re
import sys
import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

import yaml

from msg_modules.common import console, extras, files
from msg_modules.common.errors import ConfigError, RunError
from msg_modules.configs import require
from pipeline import flags
from pipeline.configs import (
    AUTO_DATASET,
    PRESETS,
    DataConfig,
    KubeflowConfig,
    PipelineConfig,
    Preset,
)
from pipeline.kubeflow import run_commands, vertex

if TYPE_CHECKING:
    from pipeline.kubeflow.compiler import Compiled

_PROG = "kubeflow_runner.py"
_PIPELINE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")
# What cannot be had is found out in the cluster, and not where one compiles.
_AUTO = "fashion_mnist"
_STRATEGIES = ("auto", "one_device", "mirrored")  # of one pod
_OUTPUTS = {"kubeflow": "pipeline.yaml", "vertex": "pipeline.json"}
_FAILED, _USAGE = 1, 2


@dataclasses.dataclass(frozen=True)
class CompileArgs(flags.RunnerArgs):
    """Flags of `compile`.

    The defaults shown are those of the preset; every flag overrides one.
    """

    kubeflow: KubeflowConfig = dataclasses.field(default_factory=KubeflowConfig)

    target: Literal["kubeflow", "vertex"] = "kubeflow"
    """Kubeflow Pipelines v2, or Vertex AI Pipelines, which needs `--pipeline-root
    gs://BUCKET/DIRECTORY`."""

    output: pathlib.Path | None = None
    """The file to write. Default: `pipeline.yaml`, or `pipeline.json` for Vertex AI."""

    dry_run: bool = False
    """Show the steps, the Trainer's job and the runtime parameters, and write
    nothing."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
      argv: The arguments; None for the process's own.

    Returns:
      The exit status: 0 if it is done, 1 if it failed, 2 for wrong arguments.
    """
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(
        prog=_PROG,
        description="Takes the pipeline to Kubeflow Pipelines v2. `COMMAND --help`"
        " shows the flags of a command.",
    )
    parser.add_argument("command", choices=list(_COMMANDS))
    command = parser.parse_args(argv[:1]).command
    try:
        _COMMANDS[command](argv[1:])
    except ConfigError as e:
        console.fail(str(e))
        return _USAGE
    except (OSError, RunError) as e:
        console.fail(str(e))
        return _FAILED
    return 0


def _compile(argv: Sequence[str]) -> None:
    args = flags.parse(
        CompileArgs,
        argv,
        prog=f"{_PROG} compile",
        description="Compiles the pipeline to a file for Kubeflow Pipelines v2 or"
        " Vertex AI.",
    )
    on_target = {"kubeflow": _on_cluster, "vertex": _on_vertex}[args.target]
    config = on_target(args.config, args.preset, args.kubeflow)
    output = args.output or pathlib.Path(_OUTPUTS[args.target])
    if not args.dry_run and not output.absolute().parent.is_dir():
        raise ConfigError(
            f"output is {str(output)!r}, and its directory does not exist; create"
            " it, or name another file."
        )
    console.quiet_libraries(args.verbose)
    console.say("Loading TensorFlow and TFX ...")
    # Here and not above: these take half a minute, and `--help` needs none.
    from pipeline import datasets

    compiler = _import_compiler()
    data, _ = datasets.resolve(dataclasses.replace(config.data, data_dir=None))
    data = dataclasses.replace(data, data_dir=config.data.data_dir)
    vertex_root = args.config.pipeline_root if args.target == "vertex" else None
    compiled = compiler(
        dataclasses.replace(config, data=data), args.kubeflow, vertex_root
    )
    if args.dry_run:
        _show_plan(compiled)
        return
    files.write_whole(output, compiled.to_text())
    console.say(
        f"Compiled {config.name} with {data.dataset} for the image"
        f" {args.kubeflow.image}: {output}"
    )


def _import_compiler() -> Callable[
    [PipelineConfig, KubeflowConfig, str | None], Compiled
]:
    with extras.needed("kubeflow"):
        from pipeline.kubeflow.compiler import compile_pipeline
    return compile_pipeline


def _on_cluster(
    config: PipelineConfig, preset: Preset, kubeflow: KubeflowConfig
) -> PipelineConfig:
    """The config with the directories of the containers.

    Raises:
      ConfigError: If it asks for what Kubeflow Pipelines cannot do.
    """
    require(
        bool(_PIPELINE_NAME.fullmatch(config.name)),
        "name",
        config.name,
        "at most 128 lower-case letters, digits and `-`",
    )
    require(
        config.pipeline_root == PRESETS[preset].pipeline_root,
        "pipeline_root",
        config.pipeline_root,
        "left out: on Kubeflow artifacts go where the run's --pipeline-root says, and"
        " checkpoints and generators to --kubeflow.mount-path",
    )
    require(
        config.evaluate.baseline != "resolver",
        "evaluate.baseline",
        config.evaluate.baseline,
        "serving_dir or none: Kubeflow Pipelines v2 runs no resolver",
    )
    require(
        config.train.starts_job or config.train.strategy in _STRATEGIES,
        "train.strategy",
        config.train.strategy,
        f"one of {', '.join(_STRATEGIES)}: a step of Kubeflow Pipelines is one pod, and"
        " starts several with --train.workers",
    )
    require(
        (config.train.replicas or 0) <= kubeflow.accelerator_count,
        "train.replicas",
        config.train.replicas,
        "at most --kubeflow.accelerator-count",
    )
    for field, path in (
        ("serving_dir", config.serving_dir),
        ("train.checkpoint_dir", config.train.checkpoint_dir),
    ):
        require(
            path is None
            or pathlib.PurePosixPath(path).is_relative_to(kubeflow.mount_path),
            field,
            path,
            f"under the volume's mount path {kubeflow.mount_path!r}: all else ends with"
            " the pod",
        )
    return dataclasses.replace(
        config, pipeline_root=kubeflow.mount_path, data=_without_auto(config.data)
    )


def _on_vertex(
    config: PipelineConfig, preset: Preset, kubeflow: KubeflowConfig
) -> PipelineConfig:
    """The config with the directories of the containers on Vertex AI.

    Raises:
      ConfigError: If it asks for what Vertex AI cannot do.
    """
    vertex.check(config, kubeflow)
    mounted = vertex.mount(config)
    checked = _on_cluster(
        dataclasses.replace(mounted, pipeline_root=PRESETS[preset].pipeline_root),
        preset,
        dataclasses.replace(kubeflow, mount_path=vertex.BUCKETS),
    )
    return dataclasses.replace(checked, pipeline_root=mounted.pipeline_root)


def _without_auto(data: DataConfig) -> DataConfig:
    if data.dataset != AUTO_DATASET:
        return data
    return dataclasses.replace(data, dataset=_AUTO)


def _show_plan(compiled: Compiled) -> None:
    console.say("Steps, in this order:")
    for step in compiled.steps():
        console.say(f"  {step}")
    if compiled.job:
        console.say("The job of the Trainer; TRAINING is what the step will call it:")
        console.say(textwrap.indent(yaml.safe_dump(compiled.job), "  ").rstrip())
    console.say("Runtime parameters and their defaults:")
    for name, default in compiled.parameters.items():
        console.say(f"  {name} = {default}")


_COMMANDS: dict[str, Callable[[Sequence[str]], None]] = {
    "compile": _compile,
    "submit": run_commands.submit,
    "upload": run_commands.upload,
    "schedule": run_commands.schedule,
    "status": run_commands.status,
    "wait": run_commands.wait,
}
