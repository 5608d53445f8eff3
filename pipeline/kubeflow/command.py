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

from components.tfds_example_gen.configs import AUTO_DATASET, DataConfig
from msg_modules.common import console, extras, files, outcome
from msg_modules.common.errors import ConfigError
from msg_modules.configs import require
from pipeline import flags
from pipeline.configs import PRESETS, PipelineConfig, Preset
from pipeline.kubeflow import run_commands, vertex
from pipeline.kubeflow.configs import ONE_POD, KubeflowConfig

if TYPE_CHECKING:
    from pipeline.kubeflow.compiler import Compiled

_PROG = "kubeflow_runner.py"
_PIPELINE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")
# Whether data can be downloaded is up to the cluster, so `auto` has no fallback.
_AUTO = "fashion_mnist"
_OUTPUTS = {"kubeflow": "pipeline.yaml", "vertex": "pipeline.json"}


@dataclasses.dataclass(frozen=True)
class CompileArgs(flags.RunnerArgs):
    """Flags of `compile`.

    The defaults shown are those of the selected preset.
    """

    kubeflow: KubeflowConfig = dataclasses.field(default_factory=KubeflowConfig)

    target: Literal["kubeflow", "vertex"] = "kubeflow"
    """`kubeflow`: Kubeflow Pipelines v2; `vertex`: Vertex AI Pipelines, which requires
    `--pipeline-root gs://BUCKET/DIRECTORY`."""

    output: pathlib.Path | None = None
    """Output file. Default: `pipeline.yaml`, or `pipeline.json` for Vertex AI."""

    dry_run: bool = False
    """Print the steps, the Trainer's job and the runtime parameters without writing
    a file."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
      argv: The arguments; None for `sys.argv`.

    Returns:
      The exit status: 0 on success, 1 on failure, 2 for invalid arguments, 130 or 143
      if interrupted.
    """
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(
        prog=_PROG,
        description="Compiles the pipeline for Kubeflow Pipelines v2 or Vertex AI, and"
        " manages its runs on Kubeflow. `COMMAND --help` shows a command's flags.",
    )
    parser.add_argument("command", choices=list(_COMMANDS))
    command = parser.parse_args(argv[:1]).command
    return outcome.run(lambda: _COMMANDS[command](argv[1:]), argv)


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
            f"output is {str(output)!r}, whose directory does not exist; create the"
            " directory, or choose another file."
        )
    console.say("Loading TensorFlow and TFX ...")
    # Imported late: loading these takes a while, and `--help` needs none of it.
    from pipeline.kubeflow import remote_data

    compiler = _import_compiler()
    config = dataclasses.replace(config, data=remote_data.check(config))
    vertex_root = args.config.pipeline_root if args.target == "vertex" else None
    compiled = compiler(config, args.kubeflow, vertex_root)
    if args.dry_run:
        _show_plan(compiled)
        return
    files.write_whole(output, compiled.to_text())
    console.say(
        f"Compiled {config.name} with {_what(config.data)} and image"
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
    """Checks the config and replaces local directories with those in the containers.

    Raises:
      ConfigError: If Kubeflow Pipelines does not support a setting.
    """
    require(
        bool(_PIPELINE_NAME.fullmatch(config.name)),
        "name",
        config.name,
        "at most 128 lower-case letters, digits and `-`, not starting with `-`",
    )
    require(
        config.pipeline_root == PRESETS[preset].pipeline_root,
        "pipeline_root",
        config.pipeline_root,
        "left out: on Kubeflow, artifacts go to the --pipeline-root given to `submit`,"
        " and checkpoints and generators to --kubeflow.mount-path",
    )
    require(
        config.evaluate.baseline != "resolver",
        "evaluate.baseline",
        config.evaluate.baseline,
        "serving_dir or none: Kubeflow Pipelines v2 does not support resolvers",
    )
    require(
        config.train.starts_job or config.train.strategy in ONE_POD,
        "train.strategy",
        config.train.strategy,
        f"one of {', '.join(ONE_POD)}: a Kubeflow Pipelines step is a single pod;"
        " use --train.workers to train on several",
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
        ("data.folder", config.data.folder),
    ):
        require(
            path is None
            or pathlib.PurePosixPath(path).is_relative_to(kubeflow.mount_path),
            field,
            path,
            f"under the volume's mount path {kubeflow.mount_path!r}: no other directory"
            " of a step outlives its pod",
        )
    require(
        config.data.folder is None
        or config.data.data_dir is not None
        or not config.beam.works_elsewhere("TfdsExampleGen"),
        "data.data_dir",
        config.data.data_dir,
        "set: Beam's workers read the images of --data.folder there, and see no"
        " temporary directory of the step",
    )
    return dataclasses.replace(
        config, pipeline_root=kubeflow.mount_path, data=_without_auto(config.data)
    )


def _on_vertex(
    config: PipelineConfig, preset: Preset, kubeflow: KubeflowConfig
) -> PipelineConfig:
    """Checks the config and replaces gs:// URIs with the mounted directories.

    Raises:
      ConfigError: If Vertex AI does not support a setting.
    """
    vertex.check(config, kubeflow)
    mounted = vertex.mount(config)
    checked = _on_cluster(
        dataclasses.replace(mounted, pipeline_root=PRESETS[preset].pipeline_root),
        preset,
        dataclasses.replace(kubeflow, mount_path=vertex.BUCKETS),
    )
    return dataclasses.replace(checked, pipeline_root=mounted.pipeline_root)


def _what(data: DataConfig) -> str:
    return f"folder {data.folder}" if data.folder else f"dataset {data.dataset}"


def _without_auto(data: DataConfig) -> DataConfig:
    if data.dataset != AUTO_DATASET:
        return data
    return dataclasses.replace(data, dataset=_AUTO)


def _show_plan(compiled: Compiled) -> None:
    console.say("Steps, in topological order:")
    for step in compiled.steps():
        console.say(f"  {step}")
    if compiled.job:
        console.say("Trainer job (the step fills in TRAINING):")
        console.say(textwrap.indent(yaml.safe_dump(compiled.job), "  ").rstrip())
    console.say("Runtime parameters with defaults:")
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
