"""Data that only the cluster has: the first step settles what depends on them."""

from __future__ import annotations

import json
import pathlib
import shutil

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
import tiny_datasets
from google.protobuf import text_format
from kfp_emulation import TASK_API, Cluster, StepServer
from tensorflow_datasets.core import constants
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.kubeflow import command

pytestmark = pytest.mark.slow

_INGESTION = ("TfdsExampleGen", "SchemaGen", "Transform")


def _draw(folder: pathlib.Path, name: str, number: int) -> None:
    rng = np.random.default_rng(number)
    (folder / name).mkdir(parents=True, exist_ok=True)
    picture = PIL.Image.fromarray(tiny_datasets.draw_tile(number % 3, rng, size=40))
    picture.crop((0, 0, 40, 32)).save(folder / name / f"{number}.png")


@pytest.fixture
def slippers(volume: pathlib.Path) -> pathlib.Path:
    """A folder on the volume with two classes and a file that is broken."""
    folder = volume / "slippers"
    for number in range(60):
        _draw(folder, ("felt", "wool")[number % 2], number)
    (folder / "wool" / "broken.png").write_text("no image")
    return folder


def _compile(path: pathlib.Path, flags: list[str]) -> pathlib.Path:
    assert command.main([*flags, "--output", str(path)]) == 0
    return path


def _schema(cluster: Cluster) -> dict[str, schema_pb2.Feature]:
    text = (cluster.stored("SchemaGen", "schema") / "schema.pbtxt").read_text()
    schema = text_format.Parse(text, schema_pb2.Schema())
    return {feature.name: feature for feature in schema.feature}


def _first_image(cluster: Cluster, key: str) -> int:
    """How many numbers an image of the transformed examples has."""
    examples = cluster.stored("Transform", "transformed_examples")
    (path, *_) = sorted((examples / "Split-train").iterdir())
    record = next(tf.data.TFRecordDataset(str(path), "GZIP").as_numpy_iterator())
    features = tf.train.Example.FromString(record).features.feature
    return len(features[key].float_list.value)


def test_a_folder_on_the_volume(
    slippers: pathlib.Path,
    volume: pathlib.Path,
    server: StepServer,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    flags = ["compile", "--kubeflow.mount-path", str(volume), "--data.scales", "2"]
    folder = ["--data.folder", str(slippers)]
    size = ["--data.image-size", "16"]
    broken = ["--data.max-broken", "0.05"]
    package = _compile(tmp_path / "pipeline.yaml", [*flags, *folder, *size, *broken])
    said = capsys.readouterr().out
    assert f"read on the cluster from {slippers}" in said

    cluster = Cluster(package, tmp_path / "cluster", "minio://bucket/root", server)
    ended = cluster.run("TfdsExampleGen")
    assert ended.status == 0, ended.output
    assert "16x16 RGB at 8, 16 pixels; cropped to the centre square" in ended.output
    assert "1 file(s) in" in ended.output
    # It was prepared in a directory that is gone.
    home = pathlib.Path(constants.DATA_DIR).expanduser() / "folder"
    assert not list(home.glob("slippers-*"))
    for step in _INGESTION[1:]:
        ended = cluster.run(step)
        assert ended.status == 0, ended.output
    assert _schema(cluster)["label"].int_domain.max == 1
    assert _first_image(cluster, "image_16") == 16 * 16 * 3

    missing = ["--data.folder", str(volume / "boots")]
    for given, words in (
        ([*folder, *size], "more than 1%"),
        ([*folder, *broken], "--data.image-size 32"),
        ([*missing, *size], f"data.folder is {missing[1]!r}, which is not a directory"),
    ):
        package = _compile(tmp_path / "wrong.yaml", [*flags, *given])
        ended = cluster.with_package(package).run("TfdsExampleGen")
        assert ended.status == 2
        assert words in ended.output.splitlines()[-1]


def test_another_dataset_is_chosen_for_a_run(
    flags: list[str],
    volume: pathlib.Path,
    garments_dir: pathlib.Path,
    server: StepServer,
    tmp_path: pathlib.Path,
) -> None:
    data_dir = shutil.copytree(garments_dir, volume / "tfds")
    # The step does not know the builder: it has the prepared files alone.
    tiny_datasets.Tiles(data_dir=data_dir).download_and_prepare()
    there = [str(data_dir) if flag == str(garments_dir) else flag for flag in flags]
    package = _compile(tmp_path / "pipeline.yaml", there)

    cluster = Cluster(
        package,
        tmp_path / "cluster",
        "minio://bucket/root",
        server,
        # Served generators of another dataset cannot be compared with.
        {"dataset": "tiles", "serving_dir": str(volume / "tiles")},
        # The folder has the other generation: what a step makes of its data is up to
        # parameters and files, which both give alike.
        TASK_API,
    )
    cluster.run_all()

    assert _schema(cluster)["label"].int_domain.max == 2
    assert _first_image(cluster, "image_32") == 32 * 32 * 3
    classifier = cluster.artifacts["ClassifierTrainer"]["classifier"]["metadata"]
    assert classifier["dataset"] == "tiles:1.0.0"
    evaluation = cluster.stored("GanEvaluator", "evaluation")
    found = json.loads((evaluation / "metrics.json").read_text())
    assert found["dataset"] == "tiles:1.0.0"
    assert found["class_names"] == ["red", "green", "blue"]
    assert found["classes"] == ["red", "green", "blue"]
    assert found["preparation"].startswith("32x32 RGB at 8, 16, 32 pixels")

    cluster.parameters["dataset"] = "tilse"
    ended = cluster.run("TfdsExampleGen")
    assert ended.status == 2
    assert "TFDS has no dataset 'tilse'" in ended.output.splitlines()[-1]

    # It can generate what it was compiled for, but not this.
    tutorial = _compile(
        tmp_path / "tutorial.yaml", [*there, "--model.network", "tutorial"]
    )
    ended = cluster.with_package(tutorial).run("Trainer")
    assert ended.status == 2
    assert "--model.network compact" in ended.output.splitlines()[-1]
