"""Beam's options: where they arrive, and which are refused."""

from __future__ import annotations

from typing import Any

import pytest
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from refusals import assert_refused
from tfx.dsl.compiler import compiler
from tfx.orchestration.local import runner_utils
from tfx.proto.orchestration import executable_spec_pb2

from pipeline.configs import BEAM_STEPS, BeamConfig, PipelineConfig
from pipeline.local import command
from pipeline.pipeline import create_pipeline

CLUSTER = BeamConfig(
    options=("--direct_num_workers=2",),
    component_options=(
        "Transform=--runner=FlinkRunner",
        "Transform=--flink_master=flink:8081",
        "StatisticsGen=--direct_num_workers=3",
    ),
)


def _arguments(beam: BeamConfig) -> dict[str, list[str]]:
    """What the local runner gives the executor of each step that runs on Beam."""
    pipeline = create_pipeline(PipelineConfig(beam=beam))
    compiled = compiler.Compiler().compile(pipeline)
    deployment = runner_utils.extract_local_deployment_config(compiled)
    specs: dict[str, Any] = {
        node.pipeline_node.node_info.id: runner_utils.extract_executor_spec(
            deployment, node.pipeline_node.node_info.id
        )
        for node in compiled.nodes
    }
    return {
        step: list(spec.beam_pipeline_args)
        for step, spec in specs.items()
        if isinstance(spec, executable_spec_pb2.BeamExecutableSpec)
    }


def test_every_step_on_beam_gets_the_options_of_all_and_its_own() -> None:
    arguments = _arguments(CLUSTER)
    assert set(arguments) == set(BEAM_STEPS)
    options = {s: PipelineOptions(a).get_all_options() for s, a in arguments.items()}
    assert {s: o["runner"] for s, o in options.items()} == {
        "TfdsExampleGen": "FnApiRunner",
        "StatisticsGen": "FnApiRunner",
        "Transform": "FlinkRunner",
    }
    assert {s: o["direct_num_workers"] for s, o in options.items()} == {
        "TfdsExampleGen": 2,
        "StatisticsGen": 3,
        "Transform": 2,
    }
    assert options["Transform"]["flink_master"] == "flink:8081"
    # TFX packs itself only for workers that have no image.
    assert {s: o["sdk_container_image"] for s, o in options.items()} == {
        "TfdsExampleGen": "unused",
        "StatisticsGen": "unused",
        "Transform": None,
    }


@pytest.mark.parametrize(
    "own",
    [
        "--sdk_container_image=mine",
        "--worker_harness_container_image=mine",
        "--requirements_file=requirements.txt",
        "--setup_file=setup.py",
        "--extra_package=mine.tar.gz",
    ],
)
def test_an_image_or_packages_of_ones_own_stay(own: str) -> None:
    for arguments in _arguments(BeamConfig(options=(own,))).values():
        images = [a for a in arguments if "container_image" in a]
        assert images == ([own] if "container_image" in own else [])


def test_a_step_with_workers_elsewhere_is_known() -> None:
    assert [s for s in BEAM_STEPS if CLUSTER.works_elsewhere(s)] == ["Transform"]


@pytest.mark.parametrize(
    ("runner", "options", "elsewhere"),
    [
        ("FnApiRunner", ["--direct_running_mode=multi_processing"], False),
        ("FlinkRunner", [], False),
        ("FlinkRunner", ["--flink_master=[auto]"], False),
        ("FlinkRunner", ["--flink_master=flink:8081"], True),
        ("FlinkRunner", ["--flink_master=localhost:8081"], True),
        ("SparkRunner", ["--spark_master_url=local[2]"], False),
        ("SparkRunner", ["--spark_master_url=local-cluster[2,1,1024]"], True),
        ("SparkRunner", ["--spark_master_url=spark://spark:7077"], True),
        ("PrismRunner", [], False),
        ("PrismRunner", ["--environment_type=DOCKER"], True),
        ("PortableRunner", ["--job_endpoint=beam:8099"], True),
        ("PortableRunner", ["--environment_type=LOOPBACK"], False),
        ("DataflowRunner", [], True),
    ],
)
def test_where_the_workers_are(
    runner: str, options: list[str], elsewhere: bool
) -> None:
    beam = BeamConfig(runner=runner, options=tuple(options))
    assert beam.works_elsewhere("Transform") == elsewhere


@pytest.mark.parametrize(
    "runner", ["DataflowRunner", "DirectRunner", "FlinkRunner", "SparkRunner"]
)
def test_beam_knows_the_runners(runner: str) -> None:
    assert runner in StandardOptions.KNOWN_RUNNER_NAMES
    BeamConfig(runner=runner)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--beam.runner", "FlinkRuner"], ["beam.runner", "FlinkRuner", "FlinkRunner"]),
        (["--beam.options=--runner=Flink"], ["beam.options", "'Flink'", "FlinkRunner"]),
        (["--beam.options", "parallelism=2"], ["parallelism=2", "--name=value"]),
        (
            ["--beam.component-options", "Transfrom=--runner=FlinkRunner"],
            ["beam.component_options", "Transfrom", "Transform"],
        ),
        (
            ["--beam.component-options", "Trainer=--runner=FlinkRunner"],
            ["beam.component_options", "Trainer", "StatisticsGen"],
        ),
        (["--beam.component-options", "Transform=runner"], ["'runner'"]),
        (
            ["--beam.component-options", "Transform=--runner=Spark"],
            ["beam.component_options", "'Spark'", "SparkRunner"],
        ),
    ],
)
def test_what_beam_has_not_got_is_refused(
    flags: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert_refused(command.main, flags, words, capsys)
