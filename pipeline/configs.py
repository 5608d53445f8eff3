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

import tyro

from msg_modules.configs import (
    ClassifierConfig,
    EvaluateConfig,
    ModelConfig,
    TrainConfig,
    require,
)

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


@dataclasses.dataclass(frozen=True)
class BeamConfig:
    """How the data-parallel steps run."""

    runner: str = "FnApiRunner"
    """Apache Beam runner for ingestion, statistics and Transform."""

    options: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """A further Beam option, as `--beam.options=--name=value`; may be
    given several times."""

    @property
    def pipeline_args(self) -> list[str]:
        """The settings as Beam's own command-line arguments."""
        return [f"--runner={self.runner}", *self.options]


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
        return pathlib.Path(self.serving_dir or f"{self.pipeline_root}/serving")

    @property
    def checkpoint_path(self) -> pathlib.Path:
        """Where unfinished training is kept that has no directory of its own."""
        return pathlib.Path(self.pipeline_root) / "checkpoints"

    @property
    def metadata_path(self) -> pathlib.Path:
        """The SQLite file of ML Metadata."""
        return pathlib.Path(self.pipeline_root) / "metadata.sqlite"


PRESETS: dict[str, PipelineConfig] = {
    # Minutes on two cores.
    "quickstart": PipelineConfig(pipeline_root="output/quickstart"),
    # The compact network, trained for as long as it goes on getting better.
    "fashion_mnist": PipelineConfig(
        pipeline_root="output/fashion_mnist",
        data=DataConfig(dataset="fashion_mnist"),
        train=TrainConfig(
            steps=30_000,
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
