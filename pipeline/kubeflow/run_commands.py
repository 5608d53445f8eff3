"""Commands that start, schedule and monitor runs on Kubeflow."""

from __future__ import annotations

import dataclasses
import difflib
import json
import pathlib
import time
from collections.abc import Sequence
from typing import Any

import tyro
import yaml

from msg_modules.common import console, extras, field_types, files, signals
from msg_modules.common.errors import MISFIT, ConfigError
from msg_modules.common.local_paths import LOCAL_PATHS
from msg_modules.configs import TrainConfig, require
from pipeline.kubeflow import kfp_client, waiting
from pipeline.kubeflow.kfp_client import Connection

_PROG = "kubeflow_runner.py"
_ROOTS = ("minio://", "s3://", "gs://")
_CONVERTERS = {"STRING": str, "NUMBER_INTEGER": int, "NUMBER_DOUBLE": float}
# What to expect of a schedule.
_CACHED = (
    "Once a run has succeeded, all later ones are answered from the cache, and nothing"
    " is trained or pushed; --no-cache runs the steps again."
)
_FINISHED = (
    "Every run reads the data and evaluates again. It trains and pushes only if the"
    " data has changed: a finished training with the same settings is reused."
)
_RETRAINS = (
    "Every run reads the data. If it has changed, training goes on from the generator"
    " that is served then, and the result is pushed if it is blessed. If it has not,"
    " nothing is trained or pushed."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Command:
    """Flags of all commands."""

    connection: tyro.conf.OmitArgPrefixes[Connection]

    verbose: bool = False
    """Show all logs, and the traceback of an error."""

    def __post_init__(self) -> None:
        field_types.check(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Package(_Command):
    """Flags shared by `submit` and `schedule`."""

    package: pathlib.Path = pathlib.Path("pipeline.yaml")
    """Compiled pipeline, as written by `compile`."""

    experiment: str = "msg-gan"
    """Experiment of the run; created if it does not exist."""

    pipeline_root: str | None = None
    """URI for artifacts: minio://, s3:// or gs://. Default: set by Kubeflow."""

    param: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """A runtime parameter, as `--param train_steps=500`; may be given several
    times. `compile --dry-run` lists them."""

    name: str | None = None
    """Name of the run or schedule. Default: the pipeline name."""

    cache: bool = True
    """Reuse the outputs of steps that ran before with the same inputs."""

    service_account: str | None = None
    """Kubernetes service account of the steps. Default: set by Kubeflow."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.pipeline_root is None or self.pipeline_root.startswith(_ROOTS),
            "pipeline_root",
            self.pipeline_root,
            "a minio://, s3:// or gs:// URI: Kubeflow Pipelines supports no other",
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class SubmitArgs(_Package):
    """Flags of `submit`."""

    wait: bool = False
    """Wait for the run to finish; exit with status 1 if it fails."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScheduleArgs(_Package):
    """Flags of `schedule`."""

    cron: str = "0 0 3 * * *"
    """Cron expression in UTC, with six fields, seconds first."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            len(self.cron.split()) == 6,
            "cron",
            self.cron,
            "six fields, seconds first, such as '0 0 3 * * *'",
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class UploadArgs(_Command):
    """Flags of `upload`."""

    package: pathlib.Path = pathlib.Path("pipeline.yaml")
    """Compiled pipeline, as written by `compile`."""

    version: str | None = None
    """Version name, if the pipeline exists already. Default: the current time."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunArgs(_Command):
    """Flags of `status`."""

    run_id: tyro.conf.Positional[str]
    """Run ID, as printed by `submit`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class WaitArgs(RunArgs):
    """Flags of `wait`."""

    timeout: float | None = None
    """Maximum time to wait, in seconds; the run continues. Default: no limit."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.timeout is None or self.timeout > 0,
            "timeout",
            self.timeout,
            "above 0",
        )


def submit(argv: Sequence[str]) -> None:
    """Starts a run."""
    args = _parse(SubmitArgs, argv, "submit", "Starts a run of a compiled pipeline.")
    name, parameters, _ = _read_package(args.package, args.param)
    client = kfp_client.connect(args.connection)
    with kfp_client.explained(args.connection.host):
        run = client.create_run_from_pipeline_package(
            str(args.package),
            arguments=parameters,
            run_name=args.name or name,
            experiment_name=args.experiment,
            namespace=args.connection.namespace,
            pipeline_root=args.pipeline_root,
            enable_caching=None if args.cache else False,
            service_account=args.service_account,
        )
    console.say(f"Run {run.run_id}")
    if args.wait:
        _wait(args.connection, run.run_id, None)


def schedule(argv: Sequence[str]) -> None:
    """Creates a recurring run."""
    args = _parse(
        ScheduleArgs,
        argv,
        "schedule",
        "Starts runs of a compiled pipeline on a schedule.",
    )
    name, parameters, spec = _read_package(args.package, args.param)
    client = kfp_client.connect(args.connection)
    with kfp_client.explained(args.connection.host):
        experiment = client.create_experiment(
            args.experiment, namespace=args.connection.namespace
        )
        recurring = client.create_recurring_run(
            experiment.experiment_id,
            args.name or name,
            cron_expression=args.cron,
            # Trainings that take longer than the interval must not overlap.
            max_concurrency=1,
            no_catchup=True,
            pipeline_package_path=str(args.package),
            params=parameters,
            pipeline_root=args.pipeline_root,
            enable_caching=None if args.cache else False,
            service_account=args.service_account,
        )
    console.say(f"Schedule {recurring.recurring_run_id}: {args.cron}")
    if _starts_from_served(spec):
        console.say(_RETRAINS)
    else:
        is_cached = args.cache and not _reads_data_every_time(spec)
        console.say(_CACHED if is_cached else _FINISHED)


def upload(argv: Sequence[str]) -> None:
    """Uploads the pipeline, or a new version, so that it is listed in the UI."""
    args = _parse(UploadArgs, argv, "upload", "Uploads a compiled pipeline.")
    name, *_ = _read_package(args.package, ())
    client = kfp_client.connect(args.connection)
    with kfp_client.explained(args.connection.host):
        pipeline_id = client.get_pipeline_id(name)
        if pipeline_id is None:
            uploaded = client.upload_pipeline(
                str(args.package), name, namespace=args.connection.namespace
            )
            console.say(f"Pipeline {uploaded.pipeline_id}: {name}")
            return
        version = args.version or time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        client.upload_pipeline_version(
            str(args.package), version, pipeline_id=pipeline_id
        )
    console.say(f"Pipeline {pipeline_id}: version {version}")


def status(argv: Sequence[str]) -> None:
    """Prints the state of a run and its steps."""
    args = _parse(RunArgs, argv, "status", "Shows the state of a run and its steps.")
    waiting.show(args.connection, args.run_id)


def wait(argv: Sequence[str]) -> None:
    """Waits for a run to finish; raises a RunError if it failed."""
    args = _parse(WaitArgs, argv, "wait", "Waits for a run to finish.")
    _wait(args.connection, args.run_id, args.timeout)


def _wait(connection: Connection, run_id: str, timeout: float | None) -> None:
    with signals.caught(
        f"The run continues; `{_PROG} wait {run_id} --host {connection.host}` waits for"
        " it again."
    ):
        waiting.wait(connection, run_id, timeout)


def _parse(args_type: type, argv: Sequence[str], command: str, what: str) -> Any:
    return tyro.cli(
        args_type,
        args=list(argv),
        prog=f"{_PROG} {command}",
        description=what,
        registry=LOCAL_PATHS,
    )


def _read_package(
    path: pathlib.Path, given: Sequence[str]
) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Reads a compiled pipeline.

    Returns:
      The name, the runtime parameters with their types, and the PipelineSpec.

    Raises:
      ConfigError: If the file is not a compiled pipeline, or a parameter is invalid.
    """
    text = files.read_text(
        path, "package", f"write it with `{_PROG} compile --output {path}`"
    )
    with extras.needed("kubeflow"):
        from google.protobuf import json_format
        from kfp.pipeline_spec import pipeline_spec_pb2
    try:
        parsed = json_format.ParseDict(
            next(iter(yaml.safe_load_all(text))),
            pipeline_spec_pb2.PipelineSpec(),
            ignore_unknown_fields=True,
        )
        spec = json_format.MessageToDict(parsed)
        name = spec["pipelineInfo"]["name"]
        known = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    except (yaml.YAMLError, json_format.ParseError, StopIteration, *MISFIT) as e:
        raise ConfigError(
            f"package is {str(path)!r}, which is not a compiled pipeline; write it with"
            f" `{_PROG} compile`."
        ) from e
    parameters = dict(_parameter(entry, known) for entry in given)
    return name, parameters, spec


def _starts_from_served(spec: dict[str, Any]) -> bool:
    try:
        trainer = spec["root"]["dag"]["tasks"]["Trainer"]["inputs"]["parameters"]
        settings = json.loads(trainer["custom_config"]["runtimeValue"]["constant"])
        return TrainConfig(**settings["train"]).starts_from_served
    except MISFIT:  # Another pipeline, or one of another version.
        return False


def _reads_data_every_time(spec: dict[str, Any]) -> bool:
    """Whether the package was compiled for data without a version."""
    try:
        caching = spec["root"]["dag"]["tasks"]["TfdsExampleGen"]["cachingOptions"]
        return not caching.get("enableCache", False)
    except MISFIT:  # Another pipeline.
        return False


def _parameter(entry: str, known: dict[str, Any]) -> tuple[str, Any]:
    name, separator, text = entry.partition("=")
    require(bool(separator), "param", entry, "name=value, such as train_steps=500")
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise ConfigError(
            f"param is {entry!r}; it must be one of {', '.join(sorted(known))}.{hint}"
        )
    kind = known[name].get("parameterType")
    if kind not in _CONVERTERS:
        raise ConfigError(
            f"param is {entry!r}, which is a {kind}; only a parameter of the type"
            f" {', '.join(_CONVERTERS)} can be set."
        )
    try:
        value = _CONVERTERS[kind](text)
        json.dumps(value, allow_nan=False)
        return name, value
    except ValueError as e:
        raise ConfigError(f"param is {entry!r}; it must be a {kind}.") from e
