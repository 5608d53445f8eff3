"""The pipeline: its components and how they are connected."""

from __future__ import annotations

import pathlib

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx import types
from tfx.dsl.components.common.resolver import Resolver
from tfx.dsl.input_resolution.strategies import latest_blessed_model_strategy
from tfx.orchestration import metadata
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import pusher_pb2, trainer_pb2
from tfx.types import standard_artifacts

from components.blocking_example_validator.component import BlockingExampleValidator
from components.card_pusher.component import CardPusher
from components.checked_statistics_gen.component import CheckedStatisticsGen
from components.classifier_trainer.component import ClassifierTrainer
from components.gan_evaluator.component import GanEvaluator
from components.gan_trainer.component import GanTrainer
from components.image_transform.component import ImageTransform
from components.inline_schema_gen.component import InlineSchemaGen
from components.tfds_example_gen.component import TfdsExampleGen
from msg_modules.common import files
from msg_modules.common.errors import ConfigError
from msg_modules.data import preprocessing
from msg_modules.training import run_fn, served, starting_point
from pipeline import fingerprint
from pipeline.configs import PipelineConfig

_DEFAULT_SCHEMA = pathlib.Path(__file__).with_name("schema.pbtxt")

# Code that determines the weights: a change in it starts training from scratch.
_WEIGHTS_CODE = ("msg_modules.data", "msg_modules.gan")


def create_pipeline(config: PipelineConfig, start: str | None = None) -> Pipeline:
    """Creates the pipeline.

    What the config leaves open of the data, TfdsExampleGen settles.

    Args:
      config: All settings.
      start: Identifies the weights to start from, for the cache
        (`starting_point_of`).

    Returns:
      The pipeline, ready for a runner.

    Raises:
      ConfigError: If the schema file cannot be read.
    """
    example_gen = TfdsExampleGen(config.data)
    schema_gen = InlineSchemaGen(
        examples=example_gen.outputs["examples"],
        schema_text=_schema_text(config),
        fit_classes=int(config.data.schema is None),
    ).with_id("SchemaGen")
    statistics_gen = CheckedStatisticsGen(
        examples=example_gen.outputs["examples"],
        schema=schema_gen.outputs["schema"],
    ).with_id("StatisticsGen")
    example_validator = BlockingExampleValidator(
        statistics=statistics_gen.outputs["statistics"],
        schema=schema_gen.outputs["schema"],
    ).with_id("ExampleValidator")
    transform = ImageTransform(
        examples=example_gen.outputs["examples"],
        schema=schema_gen.outputs["schema"],
        preprocessing_fn=f"{preprocessing.__name__}.preprocessing_fn",
        custom_config={
            "fit": config.data.fit,
            "background": config.data.background_colour,
        },
        # There are no analyzers that need a full pass, and nothing uses the
        # statistics of resized pixels.
        disable_statistics=True,
    ).with_id("Transform")
    transform.add_upstream_node(example_validator)
    for step in (example_gen, statistics_gen, transform):
        step.with_beam_pipeline_args(config.beam.component_args(step.id))
    gan_trainer = GanTrainer(
        run_fn=f"{run_fn.__name__}.run_fn",
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema_gen.outputs["schema"],
        train_args=trainer_pb2.TrainArgs(num_steps=config.train.steps),
        eval_args=trainer_pb2.EvalArgs(),
        custom_config={
            **run_fn.to_custom_config(config.model, config.train),
            "checkpoint_root": str(config.checkpoint_path.absolute()),
            "serving_dir": str(config.serving_path.absolute()),
            "weights_code": fingerprint.hash_packages(*_WEIGHTS_CODE),
            "starting_point": start,
        },
    ).with_id("Trainer")
    classifier_trainer = ClassifierTrainer(
        examples=transform.outputs["transformed_examples"],
        schema=schema_gen.outputs["schema"],
        config=config.classifier,
    )
    baseline = (
        Resolver(
            strategy_class=latest_blessed_model_strategy.LatestBlessedModelStrategy,
            model=types.Channel(type=standard_artifacts.Model),
            model_blessing=types.Channel(type=standard_artifacts.ModelBlessing),
        ).with_id("LastBlessed")
        if config.evaluate.baseline == "resolver"
        else None
    )
    judge = GanEvaluator(
        model=gan_trainer.outputs["model"],
        examples=transform.outputs["transformed_examples"],
        classifier=classifier_trainer.outputs["classifier"],
        schema=schema_gen.outputs["schema"],
        test_split=config.data.eval_split,
        config=config.evaluate,
        baseline_model=baseline.outputs["model"] if baseline else None,
        model_run=gan_trainer.outputs["model_run"],
        transform_graph=transform.outputs["transform_graph"],
        serving_dir=str(config.serving_path.absolute()),
    )
    pusher = CardPusher(
        model=gan_trainer.outputs["model"],
        model_blessing=judge.outputs["blessing"],
        push_destination=pusher_pb2.PushDestination(
            filesystem=pusher_pb2.PushDestination.Filesystem(
                base_directory=str(config.serving_path.absolute())
            )
        ),
    ).with_id("Pusher")
    components = [
        example_gen,
        schema_gen,
        statistics_gen,
        example_validator,
        transform,
        gan_trainer,
        classifier_trainer,
        judge,
        pusher,
    ]
    for component in components:
        fingerprint.add_code(component)
    return Pipeline(
        pipeline_name=config.name,
        pipeline_root=config.pipeline_root,
        components=[*components, *([baseline] if baseline else [])],
        enable_cache=True,
        metadata_connection_config=(
            metadata.sqlite_metadata_connection_config(str(config.metadata_path))
        ),
        beam_pipeline_args=config.beam.pipeline_args,
    )


def starting_point_of(config: PipelineConfig) -> str | None:
    """Hashes the weights to start from, if they are on this machine.

    Raises:
      ConfigError: As `served.find`.
    """
    if config.train.starts_from_served:
        found = served.find(str(config.serving_path), str(config.checkpoint_path))
        return found.fingerprint if found else None
    directory = config.train.start_directory
    if directory is None or not pathlib.Path(directory).exists():
        return None
    return starting_point.fingerprint(directory)


def _schema_text(config: PipelineConfig) -> str:
    """The configured schema, or the default one."""
    path = pathlib.Path(config.data.schema or _DEFAULT_SCHEMA)
    wanted = "it must be a tensorflow.metadata.v0.Schema as text protobuf"
    text = files.read_text(path, "data.schema", wanted)
    try:
        schema = text_format.Parse(text, schema_pb2.Schema())
    except text_format.ParseError as e:
        raise ConfigError(
            f"data.schema is {str(path)!r}, which cannot be read ({e}); {wanted}."
        ) from e
    return text_format.MessageToString(schema)
