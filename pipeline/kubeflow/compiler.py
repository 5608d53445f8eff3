"""Compiles a pipeline to the file format of Kubeflow Pipelines v2 or Vertex AI."""

from __future__ import annotations

import dataclasses
import graphlib
import json
from typing import Any

import yaml
from tfx.components.trainer.component import Trainer
from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner
from tfx.orchestration.pipeline import Pipeline

from pipeline import fingerprint
from pipeline.configs import BEAM_STEPS, BeamConfig, PipelineConfig
from pipeline.kubeflow import (
    artifact_places,
    entrypoint,
    job_trainer,
    pod_settings,
    runtime_parameters,
)
from pipeline.kubeflow.configs import KubeflowConfig
from pipeline.pipeline import create_pipeline

_INPUTS_SPEC_FLAG = "--json_serialized_inputs_spec_args"


@dataclasses.dataclass(frozen=True)
class Compiled:
    """A compiled pipeline as JSON objects.

    Attributes:
      spec: The `PipelineSpec`, schema 2.1.
      platform: The `PlatformSpec`: Kubernetes-specific settings.
      vertex_root: The gs:// URI for artifacts on Vertex AI; None for Kubeflow.
      job: The job that the Trainer's step starts, if any.
    """

    spec: dict[str, Any]
    platform: dict[str, Any]
    vertex_root: str | None = None
    job: dict[str, Any] | None = None

    @property
    def parameters(self) -> dict[str, Any]:
        """The default of each runtime parameter."""
        definitions = self.spec["root"]["inputDefinitions"]["parameters"]
        return {name: d["defaultValue"] for name, d in definitions.items()}

    def steps(self) -> list[str]:
        """One line per step, in topological order."""
        tasks = self.spec["root"]["dag"]["tasks"]
        # Sorted, because protobuf maps are unordered.
        order = graphlib.TopologicalSorter(
            {name: tasks[name].get("dependentTasks", []) for name in sorted(tasks)}
        )
        return [self._describe(name, tasks[name]) for name in order.static_order()]

    def _describe(self, name: str, task: dict[str, Any]) -> str:
        label = self.spec["components"][name]["executorLabel"]
        container = self.spec["deploymentSpec"]["executors"][label]["container"]
        platform = self.platform["platforms"]["kubernetes"]["deploymentSpec"]
        mounts = platform["executors"].get(label, {}).get("pvcMount", [])
        resources = container.get("resources", {})
        accelerator = resources.get("accelerator", {})
        parts = [
            f"after {', '.join(task['dependentTasks'])}"
            if "dependentTasks" in task
            else "at the start",
            *(f"volume {m['constant']} at {m['mountPath']}" for m in mounts),
        ]
        for kind, unit in (("cpu", "CPUs"), ("memory", "GB")):
            limit = resources.get(f"{kind}Limit")
            if limit is not None:
                request = resources.get(f"{kind}Request", limit)
                amounts = dict.fromkeys((f"{request:.3g}", f"{limit:.3g}"))
                parts.append(f"{' to '.join(amounts)} {unit}")
        if accelerator:
            parts.append(f"{accelerator['count']} x {accelerator['type']}")
        return f"{name}: {'; '.join(parts)}"

    def to_text(self) -> str:
        """Both YAML documents, or Vertex AI's JSON job; the text is deterministic."""
        if self.vertex_root is None:
            return yaml.safe_dump_all([self.spec, self.platform], sort_keys=True)
        job = {
            "displayName": self.spec["pipelineInfo"]["name"],
            "pipelineSpec": self.spec,
            "runtimeConfig": {"gcsOutputDirectory": self.vertex_root},
        }
        return json.dumps(job, indent=2, sort_keys=True) + "\n"


def compile_pipeline(
    config: PipelineConfig, kubeflow: KubeflowConfig, vertex_root: str | None = None
) -> Compiled:
    """Compiles the pipeline.

    Args:
      config: As for `create_pipeline`, with directories in the containers.
      kubeflow: Settings of the steps on the cluster.
      vertex_root: The gs:// URI for artifacts on Vertex AI; None for Kubeflow.

    Returns:
      The compiled pipeline.

    Raises:
      ConfigError: If the schema file cannot be read.
    """
    pipeline = create_pipeline(config)
    # A cache key knows neither what is served nor, here, whether the data has changed.
    pipeline.enable_cache = not config.train.starts_from_served
    job = None
    if config.train.starts_job:
        job = _train_in_job(pipeline, config, kubeflow)
    runner = kubeflow_v2_dag_runner.KubeflowV2DagRunner(
        kubeflow_v2_dag_runner.KubeflowV2DagRunnerConfig(
            default_image=kubeflow.image,
            default_commands=[
                *("python", "-m", entrypoint.__name__),
                *("--tfx", entrypoint.tfx_version()),
            ],
            use_pipeline_spec_2_1=True,
        )
    )
    spec = runner.run(pipeline, write_out=False)["pipelineSpec"]
    # A folder is used instead of a dataset.
    runtime_parameters.expose(spec, without=["dataset"] if config.data.folder else [])
    if not config.data.is_pinned:
        # The cache key does not cover files, which may have changed.
        spec["root"]["dag"]["tasks"]["TfdsExampleGen"]["cachingOptions"] = {
            "enableCache": False
        }
    if kubeflow.retries:
        for task in spec["root"]["dag"]["tasks"].values():
            task["retryPolicy"] = _retry_policy(kubeflow.retries)
    _tell_inputs(spec)
    on_vertex = vertex_root is not None
    _tell_access(spec, config.beam, on_vertex)
    _give_resources(spec, kubeflow, job is not None, on_vertex)
    executors = {
        step: component["executorLabel"]
        for step, component in spec["components"].items()
        if not on_vertex
    }
    platform = pod_settings.platform_spec(
        executors,
        kubeflow,
        [path for path in (config.data.data_dir, config.data.folder) if path],
        trains_in_job=job is not None,
    )
    return Compiled(spec, platform, vertex_root, job)


def _give_resources(
    spec: dict[str, Any],
    kubeflow: KubeflowConfig,
    trains_in_job: bool,
    on_vertex: bool,
) -> None:
    for step, component in spec["components"].items():
        if on_vertex:
            resources = pod_settings.vertex_resource_spec(kubeflow, step)
        else:
            resources = pod_settings.resource_spec(kubeflow, step, trains_in_job)
        if resources:
            label = component["executorLabel"]
            container = spec["deploymentSpec"]["executors"][label]["container"]
            container["resources"] = resources


def _train_in_job(
    pipeline: Pipeline, config: PipelineConfig, kubeflow: KubeflowConfig
) -> dict[str, Any]:
    """Makes the Trainer start a job instead of training; returns an example job."""
    properties = _trainer(pipeline).exec_properties
    settings = json.loads(properties["custom_config"])
    properties["run_fn"] = f"{job_trainer.__name__}.run_fn"
    properties["custom_config"] = json.dumps(
        {**settings, "kubeflow": dataclasses.asdict(kubeflow)}
    )
    fingerprint.add_code(_trainer(pipeline))
    return job_trainer.make_job(
        "TRAINING", config.model, config.train, settings, kubeflow
    )


def _trainer(pipeline: Pipeline) -> Trainer:
    (trainer,) = (c for c in pipeline.components if c.id == "Trainer")
    return trainer


def _retry_policy(retries: int) -> dict[str, Any]:
    return {
        "maxRetryCount": retries,
        "backoffDuration": "60s",
        "backoffFactor": 2.0,
        # Argo counts from the start of the first attempt: with KFP's default of one
        # hour, a training that fails later would not be retried.
        "backoffMaxDuration": f"{30 * 24 * 3600}s",
    }


def _tell_inputs(spec: dict[str, Any]) -> None:
    """Puts the input definitions, including ours, on the command lines."""
    for component in spec["components"].values():
        label = component["executorLabel"]
        args = spec["deploymentSpec"]["executors"][label]["container"]["args"]
        definitions = component.get("inputDefinitions", {})
        args[args.index(_INPUTS_SPEC_FLAG) + 1] = json.dumps(
            definitions, sort_keys=True
        )


def _tell_access(spec: dict[str, Any], beam: BeamConfig, on_vertex: bool) -> None:
    """Sets on the command lines who copies the artifacts.

    Remote Beam workers do not see copies on a pod's disk, and Vertex AI has no launcher
    that makes copies. Beam steps can open gs:// URIs themselves; our own need files.
    """
    for step, component in spec["components"].items():
        access: artifact_places.Access = "copies" if on_vertex else "launcher"
        if step in BEAM_STEPS and (on_vertex or beam.works_elsewhere(step)):
            access = "uris"
        if access != "launcher":
            label = component["executorLabel"]
            container = spec["deploymentSpec"]["executors"][label]["container"]
            container["args"][:0] = ["--artifacts", access]
