"""What a user of `local_runner.py` gets."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess

import PIL.Image
import pytest
import tensorflow as tf
from local_pipeline import COMPONENTS, Pipeline, Run
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration import metadata

from msg_modules import cli
from pipeline import fingerprint

CACHED = "cache hit"


def test_first_run_leaves_pictures_and_a_generator(pipeline: Pipeline) -> None:
    latest = pipeline.root / "latest"
    for name in ("sheet.png", "losses.png"):
        with PIL.Image.open(latest / name) as picture:
            assert picture.width > 500
    with PIL.Image.open(latest / "training.gif") as animation:
        assert animation.n_frames == 2
    stats = [json.loads(line) for line in (latest / "stats.jsonl").open()]
    assert [line["images"] for line in stats] == [32, 64, 96]
    version = pipeline.versions[0]
    generator = tf.saved_model.load(str(pipeline.root / "serving" / version))
    images = generator.signatures["sample"](
        num_images=tf.constant(3), seed=tf.constant(1, tf.int64)
    )
    assert {name: tuple(image.shape) for name, image in images.items()} == {
        "image_7": (3, 7, 7, 1),
        "image_14": (3, 14, 14, 1),
        "image_28": (3, 28, 28, 1),
    }


def test_lineage_tells_which_data_made_the_model(pipeline: Pipeline) -> None:
    connection = metadata.sqlite_metadata_connection_config(
        str(pipeline.root / "metadata.sqlite")
    )
    with metadata.Metadata(connection) as handle:
        store = handle.store
        (pushed,) = store.get_artifacts_by_type("PushedModel")[:1]
        artifacts = _upstream(store, pushed.id)
    examples = [a for a in artifacts if "dataset" in a.custom_properties]
    assert examples, "the pushed model does not lead back to its examples"
    properties = examples[0].custom_properties
    assert properties["dataset"].string_value == "garments"
    assert properties["dataset_version"].string_value == "2.0.0"
    assert properties["train_split"].string_value == "train[0:300]"
    assert properties["train_num_examples"].int_value == 300
    assert properties["eval_num_examples"].int_value == 300


def _upstream(
    store: metadata_store.MetadataStore, artifact_id: int
) -> list[metadata_store_pb2.Artifact]:
    """The artifact and all that it was made from."""
    found: set[int] = set()
    new = {artifact_id}
    while new:
        found |= new
        outputs = store.get_events_by_artifact_ids(new)
        makers = {e.execution_id for e in outputs if e.type == e.OUTPUT}
        inputs = store.get_events_by_execution_ids(makers)
        new = {e.artifact_id for e in inputs if e.type == e.INPUT} - found
    return store.get_artifacts_by_id(found)


def test_second_run_is_answered_from_the_cache(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    before = pipeline.versions
    run = pipeline.run(capsys)
    assert run.status == 0
    assert run.outcomes == dict.fromkeys(COMPONENTS, CACHED)
    assert pipeline.versions == before
    assert "sheet.png" in run.output
    (small,) = re.findall("^Small, for a quick start: (.*)", run.output, re.M)
    assert "420 steps of the classifier" in small
    assert "--train.steps" not in small
    assert "--evaluate.num-seeds" not in small


@pytest.mark.slow
def test_a_training_flag_reruns_the_trainer_and_what_follows(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    run = pipeline.run(capsys, "--train.seed", "1")
    assert run.status == 0
    rerun = {name for name, how in run.outcomes.items() if how == "done"}
    assert rerun == {"Trainer", "GanEvaluator", "Pusher"}


@pytest.mark.slow
def test_more_steps_go_on_from_a_finished_training(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pipeline.run(capsys, "--train.seed", "2").status == 0
    run = pipeline.run(capsys, "--train.seed", "2", "--train.steps", "9")
    assert run.status == 0
    assert "resuming from step 6 of 9" in run.output
    stats = [json.loads(line) for line in (pipeline.root / "latest/stats.jsonl").open()]
    assert [line["step"] for line in stats] == [2, 4, 6, 8, 9]


@pytest.mark.slow
def test_a_moved_root_is_told_and_keeps_its_training(
    pipeline: Pipeline,
    capsys: pytest.CaptureFixture[str],
    tmp_path: pathlib.Path,
    garments_dir: pathlib.Path,
) -> None:
    assert pipeline.run(capsys).status == 0
    root, kept = tmp_path / "elsewhere", tmp_path / "kept"
    shutil.copytree(pipeline.root, kept, symlinks=True)
    pipeline.root.rename(root)
    try:
        moved = Pipeline(root, garments_dir)
        run = moved.run(capsys)
        assert f"{root} was moved from {pipeline.root}:" in run.output
        assert sorted(_rerun(run)) == sorted(COMPONENTS)
        assert "resuming from step 6 of 6" in run.output
        again = moved.run(capsys)
        assert "was moved" not in again.output
        assert _rerun(again) == []
    finally:
        kept.rename(pipeline.root)


@pytest.mark.slow
def test_another_slice_is_ingested_anew(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    run = pipeline.run(capsys, "--data.train-split", "train[50%:]")
    assert run.status == 0
    assert run.outcomes["TfdsExampleGen"] == "done"
    assert run.outcomes["Trainer"] == "done"


@pytest.mark.slow
def test_an_edit_of_the_code_reruns_what_depends_on_it(
    pipeline: Pipeline,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: pathlib.Path,
) -> None:
    assert set(_rerun(pipeline.run(capsys))) <= {"Pusher"}
    for name in ("components", "msg_modules", "pipeline"):
        shutil.copytree(fingerprint._ROOT / name, tmp_path / name)
    monkeypatch.setattr(fingerprint, "_ROOT", tmp_path)
    assert _rerun(pipeline.run(capsys)) == []
    with (tmp_path / "msg_modules" / "report" / "plots.py").open("a") as file:
        file.write("\n# An edit.\n")
    assert _rerun(pipeline.run(capsys)) == ["GanEvaluator", "Pusher"]


@pytest.mark.slow
def test_replaced_data_are_ingested_again(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str], garments_dir: pathlib.Path
) -> None:
    assert "TfdsExampleGen" not in _rerun(pipeline.run(capsys))
    (record, *_) = garments_dir.rglob("*.tfrecord*")
    record.write_bytes(record.read_bytes())
    rerun = _rerun(pipeline.run(capsys))
    assert rerun[0] == "TfdsExampleGen"
    assert {"Transform", "Trainer", "GanEvaluator", "Pusher"} <= set(rerun)


def _rerun(run: Run) -> list[str]:
    assert run.status == 0, run.error
    return [name for name, outcome in run.outcomes.items() if outcome == "done"]


def test_a_version_that_was_deleted_stays_deleted(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path
) -> None:
    assert pipeline.run(capsys).status == 0
    serving, kept = pipeline.root / "serving", tmp_path / "serving"
    shutil.move(serving, kept)
    try:
        run = pipeline.run(capsys)
        assert run.status == 0
        assert pipeline.versions == []
        deleted, copy = re.search(
            r"(\S+) was deleted .* copy (\S+) there", run.output
        ).groups()
        shutil.copytree(copy, deleted)
        assert pipeline.versions == [pathlib.Path(deleted).name]
    finally:
        shutil.rmtree(serving, ignore_errors=True)
        shutil.move(kept, serving)


def test_a_version_that_was_rolled_back_stays_so_until_it_is_asked_for(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path
) -> None:
    assert pipeline.run(capsys).status == 0
    serving, kept = pipeline.root / "serving", tmp_path / "serving"
    shutil.copytree(serving, kept)
    shutil.copytree(serving / pipeline.versions[-1], serving / "1")
    try:
        rollback = ["rollback", "--serving-dir", str(serving)]
        assert cli.main([*rollback, "--to", "1"]) == 0
        run = pipeline.run(capsys)
        assert run.status == 0
        assert pipeline.versions == ["1"]
        back, command = re.search(
            r"(\S+) was rolled back .*\n +uv run msg-gan (rollback .*)", run.output
        ).groups()
        assert cli.main(shlex.split(command)) == 0
        assert pipeline.versions == ["1", pathlib.Path(back).name]
    finally:
        shutil.rmtree(serving)
        shutil.move(kept, serving)


@pytest.mark.slow
def test_output_is_ours_and_not_the_libraries(
    garments_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    run = subprocess.run(
        Pipeline(tmp_path / "root", garments_dir).command(),
        env={**os.environ, "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stderr == ""
    assert len(run.stdout.splitlines()) < 60
    for line in run.stdout.splitlines():
        assert not line.startswith(("WARNING", "INFO", "ERROR")), line
    assert list(temporary.iterdir()) == []


@pytest.mark.slow
def test_two_replicas_train_through_the_pipeline(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    run = pipeline.run(capsys, "--train.strategy", "mirrored", "--train.replicas", "2")
    assert run.status == 0, run.error
    assert run.outcomes["Trainer"] == "done"
