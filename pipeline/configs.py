"""Every setting of the pipeline, its default, and the presets.

The settings of the GAN itself are in `msg_modules.configs`, so that it can be
trained without a pipeline. A default lives in one place: on its field. The
command lines show the fields' docstrings as their help; `create_pipeline`
hands the values to the components. Nothing here imports TensorFlow or TFX, so
that `--help` answers at once.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
from typing import Literal

import tyro

from msg_modules.common.errors import ConfigError
from msg_modules.configs import (
    ClassifierConfig,
    EvaluateConfig,
    ModelConfig,
    TrainConfig,
    require,
)
from msg_modules.runs import layout

AUTO_DATASET = "auto"


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Which images the pipeline learns from."""

    dataset: str = AUTO_DATASET
    """TFDS image-classification dataset, optionally with a version
    (`mnist`, `fashion_mnist:3.0.1`). `garments` is drawn by this project and
    needs no network. `auto` takes Fashion-MNIST where it is prepared or can be
    downloaded, and `garments` otherwise."""

    data_dir: str | None = None
    """Directory of prepared TFDS datasets. Default: TFDS_DATA_DIR, or TFDS's
    own `~/tensorflow_datasets`."""

    train_split: str = "train"
    """TFDS split or slice to train on, such as `train[:90%]`."""

    eval_split: str = "test"
    """TFDS split or slice held out for evaluation, such as `train[90%:]`."""

    max_examples: int | None = None
    """At most this many examples of each split; all of them if not given."""

    num_classes: int | None = None
    """Number of classes, for the check of the labels. Default: what TFDS says."""

    class_names: tuple[str, ...] | None = None
    """Names of the classes, for the report. Default: what TFDS says."""

    schema: str | None = None
    """Schema file (text protobuf) that the examples must satisfy. Default:
    `pipeline/schema.pbtxt` with the dataset's number of classes."""

    def __post_init__(self) -> None:
        require(bool(self.dataset), "data.dataset", self.dataset, "a TFDS name")
        require(
            self.max_examples is None or self.max_examples > 0,
            "data.max_examples",
            self.max_examples,
            "at least 1",
        )
        require(
            self.num_classes is None or self.num_classes > 0,
            "data.num_classes",
            self.num_classes,
            "at least 1",
        )
        require(
            self.train_split != self.eval_split,
            "data.eval_split",
            self.eval_split,
            "another split than data.train_split",
        )


BEAM_STEPS = ("TfdsExampleGen", "StatisticsGen", "Transform")
_RUNNERS_HERE = ("FnApiRunner", "DirectRunner", "PrismRunner")
_RUNNERS = (
    *_RUNNERS_HERE,
    "DataflowRunner",
    "FlinkRunner",
    "PortableRunner",
    "SparkRunner",
)
_MASTERS = {"FlinkRunner": "flink_master", "SparkRunner": "spark_master_url"}
_BEAM_OPTION = re.compile(r"--(?P<name>[a-z][\w-]*)(=(?P<value>.*))?")


@dataclasses.dataclass(frozen=True)
class BeamConfig:
    """How the data-parallel steps run."""

    runner: str = "FnApiRunner"
    """Apache Beam runner for ingestion, statistics and Transform."""

    options: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """A further Beam option, as `--beam.options=--name=value`; may be
    given several times."""

    component_options: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """A Beam option of one step, as `--beam.component-options
    Transform=--runner=FlinkRunner`, which counts more than those of all; may be
    given several times."""

    def __post_init__(self) -> None:
        _check_runner("beam.runner", self.runner)
        for option in self.options:
            _check_beam_option("beam.options", option)
        for entry in self.component_options:
            step, _, option = entry.partition("=")
            require(
                step in BEAM_STEPS,
                "beam.component_options",
                entry,
                f"written like STEP=--name=value, STEP one of {', '.join(BEAM_STEPS)}",
            )
            _check_beam_option("beam.component_options", option)

    @property
    def pipeline_args(self) -> list[str]:
        """The settings of all steps as Beam's own command-line arguments."""
        return [f"--runner={self.runner}", *self.options]

    def component_args(self, step: str) -> list[str]:
        """What one step gets besides; of two values Beam takes the last."""
        pairs = (entry.split("=", 1) for entry in self.component_options)
        return [option for name, option in pairs if name == step]

    def works_elsewhere(self, step: str) -> bool:
        """Whether a step's data are worked on outside of the step's own machine."""
        matches = map(
            _BEAM_OPTION.fullmatch, [*self.pipeline_args, *self.component_args(step)]
        )
        values = {match["name"]: match["value"] for match in matches if match}
        if values["runner"] in _RUNNERS_HERE:
            return False
        if "environment_type" in values:
            return values["environment_type"] != "LOOPBACK"
        # Beam starts a Flink or Spark of its own where no master is named.
        master = values.get(_MASTERS.get(values["runner"], ""))
        return values["runner"] not in _MASTERS or (
            master is not None and not master.startswith(("local", "["))
        )


def _check_runner(field: str, runner: str) -> None:
    require(runner in _RUNNERS, field, runner, f"one of {', '.join(_RUNNERS)}")


def _check_beam_option(field: str, option: str) -> None:
    match = _BEAM_OPTION.fullmatch(option)
    if match is None:
        raise ConfigError(f"{field} is {option!r}; it must be written --name=value.")
    if match["name"] == "runner":
        _check_runner(field, match["value"])


@dataclasses.dataclass(frozen=True)
class PipelineConfig:
    """The whole pipeline."""

    name: str = "msg-gan"
    """Name of the pipeline in ML Metadata."""

    pipeline_root: str = "output"
    """Directory for artifacts, metadata and caches."""

    serving_dir: str | None = None
    """Directory that receives the generator, one numbered version for each
    push. Default: `serving` under the pipeline root."""

    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    train: TrainConfig = dataclasses.field(default_factory=TrainConfig)
    classifier: ClassifierConfig = dataclasses.field(default_factory=ClassifierConfig)
    evaluate: EvaluateConfig = dataclasses.field(default_factory=EvaluateConfig)
    beam: BeamConfig = dataclasses.field(default_factory=BeamConfig)

    @property
    def serving_path(self) -> pathlib.Path:
        """Where the pushed versions lie."""
        return pathlib.Path(
            self.serving_dir or f"{self.pipeline_root}/{layout.SERVING}"
        )

    @property
    def checkpoint_path(self) -> pathlib.Path:
        """Where unfinished training is kept that has no directory of its own."""
        return pathlib.Path(self.pipeline_root) / layout.CHECKPOINTS

    @property
    def metadata_path(self) -> pathlib.Path:
        """The SQLite file of ML Metadata."""
        return pathlib.Path(self.pipeline_root) / layout.METADATA_FILE


_LABEL = re.compile(r"[\w./-]+=[\w.-]*")
_TOLERATION = re.compile(r"[\w./-]+(=[\w.-]*)?:(NoSchedule|PreferNoSchedule|NoExecute)")
_SECRET = re.compile(r"[a-z0-9.-]+/[\w.-]+=[A-Za-z_]\w*")
_IMAGE_PART = r"[a-z0-9]+([._-]+[a-z0-9]+)*"
_IMAGE = re.compile(
    rf"([\w.-]+(:\d+)?/)?{_IMAGE_PART}(/{_IMAGE_PART})*"
    r"(:\w[\w.-]{0,127})?(@sha256:[0-9a-f]{64})?"
)
_RESOURCE_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclasses.dataclass(frozen=True)
class KubeflowConfig:
    """What the steps of the pipeline get on a Kubeflow cluster."""

    image: str = "msg-gan:0.1.0"
    """Container image of all steps, made by `make image`. It holds the code."""

    volume_claim: str = "msg-gan"
    """PersistentVolumeClaim that keeps what outlives a run: checkpoints and pushed
    generators."""

    mount_path: str = "/mnt/msg-gan"
    """Where the steps find that volume."""

    cpu_limit: float | None = None
    """CPU cores that the Trainer, or each of its workers, may use. Default: no
    limit."""

    memory_limit: float | None = None
    """Gigabytes that the Trainer, or each of its workers, may use. Default: no
    limit."""

    accelerator: str = "nvidia.com/gpu"
    """Kubernetes' name of the accelerator, or Vertex AI's, such as
    NVIDIA_TESLA_T4."""

    accelerator_count: int = 0
    """Accelerators of the Trainer's pod, or of each of its workers."""

    node_selector: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """A label `key=value` of the nodes that may train; may be given several times."""

    tolerations: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """A taint that the Trainer tolerates, `key=value:NoSchedule` or
    `key:NoSchedule`; may be given several times."""

    secrets: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """A Secret's entry for the environment of all steps, `secret/key=VARIABLE`; may
    be given several times."""

    job_kind: Literal["tfjob", "jobset"] = "tfjob"
    """What the Trainer's step starts with `--train.workers`: `tfjob`, of the
    training operator, or `jobset`."""

    retries: int = 2
    """How often a failed step is started again."""

    step_timeout: int | None = None
    """Seconds after which a step is ended. Default: no limit."""

    def __post_init__(self) -> None:
        require(
            bool(_IMAGE.fullmatch(self.image)),
            "kubeflow.image",
            self.image,
            "an image's name, such as registry.example.com/msg-gan:0.1.0",
        )
        require(
            bool(_RESOURCE_NAME.fullmatch(self.volume_claim)),
            "kubeflow.volume_claim",
            self.volume_claim,
            "a name of lower-case letters, digits and `-`",
        )
        require(
            self.mount_path.startswith("/") and self.mount_path.strip("/") != "",
            "kubeflow.mount_path",
            self.mount_path,
            "an absolute path, such as /mnt/msg-gan",
        )
        for name in ("cpu_limit", "memory_limit", "step_timeout"):
            value = getattr(self, name)
            require(value is None or value > 0, f"kubeflow.{name}", value, "above 0")
        for name in ("accelerator_count", "retries"):
            value = getattr(self, name)
            require(value >= 0, f"kubeflow.{name}", value, "at least 0")
        for name, pattern, wanted in (
            ("node_selector", _LABEL, "written like key=value"),
            ("tolerations", _TOLERATION, "written like key=value:NoSchedule"),
            ("secrets", _SECRET, "written like secret/key=VARIABLE"),
        ):
            for entry in getattr(self, name):
                fits = bool(pattern.fullmatch(entry))
                require(fits, f"kubeflow.{name}", entry, wanted)


Preset = Literal["quickstart", "fashion_mnist", "tutorial"]

PRESETS: dict[Preset, PipelineConfig] = {
    # Minutes on two cores.
    "quickstart": PipelineConfig(pipeline_root="output/quickstart"),
    # The compact network, trained for as long as it goes on getting better.
    "fashion_mnist": PipelineConfig(
        pipeline_root="output/fashion_mnist",
        data=DataConfig(dataset="fashion_mnist"),
        train=TrainConfig(
            steps=20_000,
            report_every=100,
            sample_every=1000,
            checkpoint_every=1000,
        ),
    ),
    # The article: its networks, loss, optimiser, batch and 300 epochs of
    # 60,000 images, 235 batches each.
    "tutorial": PipelineConfig(
        pipeline_root="output/tutorial",
        data=DataConfig(dataset="fashion_mnist"),
        model=ModelConfig(network="tutorial", latent_dim=100),
        train=TrainConfig(
            steps=300 * 235,
            batch_size=256,
            beta_1=0.9,
            beta_2=0.999,
            r1_gamma=0.0,
            ema_half_life=0,
            report_every=10,
            sample_every=235,
            checkpoint_every=235,
        ),
    ),
}
