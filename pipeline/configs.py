"""Every setting of the pipeline, its default, and the presets.

The settings of the GAN itself are in `msg_modules.configs`, so that it can be
trained without the pipeline, and those of the data in
`components.tfds_example_gen.configs`, beside the step that settles them. Each default
is defined once, on its field. Field docstrings are the `--help` text of the commands;
`create_pipeline` passes the values to the components. Nothing here imports TensorFlow
or TFX, which keeps `--help` fast.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
from typing import Literal

import tyro

from components.tfds_example_gen.configs import DataConfig
from msg_modules.common import field_types
from msg_modules.common.errors import ConfigError
from msg_modules.configs import (
    ClassifierConfig,
    EvaluateConfig,
    ModelConfig,
    TrainConfig,
    require,
)
from msg_modules.runs import layout

BEAM_STEPS = ("TfdsExampleGen", "StatisticsGen", "Transform")
_RUNNERS_HERE = ("FnApiRunner", "DirectRunner")
_RUNNERS = (
    *_RUNNERS_HERE,
    "PrismRunner",
    "DataflowRunner",
    "FlinkRunner",
    "PortableRunner",
    "SparkRunner",
)
# The option that names the cluster, and those values with which Beam starts one here.
_MASTERS = {
    "FlinkRunner": ("flink_master", re.compile(r"\[(auto|local)\]")),
    "SparkRunner": ("spark_master_url", re.compile(r"local(\[.+\])?")),
}
_BEAM_OPTION = re.compile(r"--(?P<name>[a-z][\w-]*)(=(?P<value>.*))?")
# Without one of these, TFX packs itself for the workers of a step, which takes seconds
# and leaves 49 MB in the temporary directory. Workers on this machine need no package,
# and ignore the image.
_PACKAGES = {
    "extra_package",
    "extra_packages",
    "requirements_file",
    "sdk_container_image",
    "setup_file",
    "worker_harness_container_image",
}
_NO_PACKAGE = "--sdk_container_image=unused"


@dataclasses.dataclass(frozen=True)
class BeamConfig:
    """Apache Beam settings of the data-parallel steps."""

    runner: str = "FnApiRunner"
    """Apache Beam runner for ingestion, statistics and Transform."""

    options: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """An additional Beam option, as `--beam.options=--name=value`; may be
    given several times."""

    component_options: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """A Beam option for a single step, as `--beam.component-options
    Transform=--runner=FlinkRunner`; overrides the options for all steps; may be
    given several times."""

    def __post_init__(self) -> None:
        field_types.check(self, "beam")
        _check_runner("beam.runner", self.runner)
        for option in self.options:
            _check_beam_option("beam.options", option)
        for entry in self.component_options:
            step, _, option = entry.partition("=")
            require(
                step in BEAM_STEPS,
                "beam.component_options",
                entry,
                f"STEP=--name=value, where STEP is one of {', '.join(BEAM_STEPS)}",
            )
            _check_beam_option("beam.component_options", option)

    @property
    def pipeline_args(self) -> list[str]:
        """Beam command-line arguments for all steps."""
        return [f"--runner={self.runner}", *self.options]

    def component_args(self, step: str) -> list[str]:
        """Additional arguments for one step; Beam lets the last value win."""
        own = self._own_options(step)
        if self.works_elsewhere(step) or _PACKAGES & self._values(step).keys():
            return own
        return [_NO_PACKAGE, *own]

    def works_elsewhere(self, step: str) -> bool:
        """Whether a step's Beam workers run outside the step's own machine."""
        values = self._values(step)
        runner, environment = values["runner"], values.get("environment_type")
        if runner in _RUNNERS_HERE:
            return False
        if environment is not None:
            return environment != "LOOPBACK"
        if runner not in _MASTERS:
            return runner != "PrismRunner"
        # Without a master, Beam starts a local Flink or Spark.
        option, local = _MASTERS[runner]
        master = values.get(option)
        return master is not None and local.fullmatch(master) is None

    def _own_options(self, step: str) -> list[str]:
        pairs = (entry.split("=", 1) for entry in self.component_options)
        return [option for name, option in pairs if name == step]

    def _values(self, step: str) -> dict[str, str | None]:
        """The options of a step by name."""
        options = [*self.pipeline_args, *self._own_options(step)]
        matches = map(_BEAM_OPTION.fullmatch, options)
        return {match["name"]: match["value"] for match in matches if match}


def _check_runner(field: str, runner: str) -> None:
    require(runner in _RUNNERS, field, runner, f"one of {', '.join(_RUNNERS)}")


def _check_beam_option(field: str, option: str) -> None:
    match = _BEAM_OPTION.fullmatch(option)
    if match is None:
        raise ConfigError(f"{field} is {option!r}; it must be --name=value.")
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
    """Directory to push generators to, one numbered version per push. Default:
    `serving` under the pipeline root."""

    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    train: TrainConfig = dataclasses.field(default_factory=TrainConfig)
    classifier: ClassifierConfig = dataclasses.field(default_factory=ClassifierConfig)
    evaluate: EvaluateConfig = dataclasses.field(default_factory=EvaluateConfig)
    beam: BeamConfig = dataclasses.field(default_factory=BeamConfig)

    def __post_init__(self) -> None:
        field_types.check(self)

    @property
    def serving_path(self) -> pathlib.Path:
        """Directory of the pushed versions."""
        return pathlib.Path(
            self.serving_dir or f"{self.pipeline_root}/{layout.SERVING}"
        )

    @property
    def checkpoint_path(self) -> pathlib.Path:
        """Default parent directory of training checkpoints."""
        return pathlib.Path(self.pipeline_root) / layout.CHECKPOINTS

    @property
    def metadata_path(self) -> pathlib.Path:
        """SQLite database of ML Metadata."""
        return pathlib.Path(self.pipeline_root) / layout.METADATA_FILE


Preset = Literal["quickstart", "fashion_mnist", "tutorial"]

PRESETS: dict[Preset, PipelineConfig] = {
    # Takes minutes on two cores: trains the classifier for at most one epoch of
    # Fashion-MNIST, and does not measure the spread over seeds.
    "quickstart": PipelineConfig(
        pipeline_root="output/quickstart",
        classifier=ClassifierConfig(max_steps=420),
        evaluate=EvaluateConfig(num_seeds=1),
    ),
    # The compact network, trained for about as long as it keeps improving.
    "fashion_mnist": PipelineConfig(
        pipeline_root="output/fashion_mnist",
        data=DataConfig(dataset="fashion_mnist"),
        train=TrainConfig(
            steps=20_000,
            decay=0.2,
            report_every=100,
            sample_every=1000,
            checkpoint_every=1000,
        ),
        classifier=ClassifierConfig(second_opinion=True),
        evaluate=EvaluateConfig(accuracy_score=True),
    ),
    # The article: its networks, loss, optimizer, batch and 300 epochs of
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
