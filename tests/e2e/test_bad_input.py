"""A run that fails says why in a line, and leaves everything as it was."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys

import pytest
from local_pipeline import COMPONENTS, Pipeline, Run

from msg_modules import cli

CACHED = "cache hit"


@pytest.fixture
def corrupt_dir(garments_dir: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """The TFDS directory with one wrong byte in the training data."""
    copy = tmp_path / "tfds"
    shutil.copytree(garments_dir, copy)
    (shard,) = copy.glob("garments/*/*train*tfrecord*")
    content = bytearray(shard.read_bytes())
    content[len(content) // 4] ^= 0xFF
    shard.write_bytes(content)
    return copy


def _fails(
    pipeline: Pipeline,
    capsys: pytest.CaptureFixture[str],
    *flags: str,
    status: int,
) -> Run:
    """Runs a bad command, then the good one, which finds all as it was."""
    assert pipeline.run(capsys).status == 0
    served = pipeline.versions
    bad = pipeline.run(capsys, *flags)
    assert bad.status == status, bad
    (line,) = bad.error.splitlines()
    assert line.startswith("error: ")
    assert "Traceback" not in bad.output
    assert pipeline.versions == served
    good = pipeline.run(capsys)
    assert good.status == 0, good
    assert good.outcomes == dict.fromkeys(COMPONENTS, CACHED)
    assert pipeline.versions == served
    return bad


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--data.dataset", "fashion_mnits"], ["fashion_mnits", "fashion_mnist"]),
        (["--data.train-split", "trian"], ["trian", "train", "test"]),
        (["--data.train-split", "train[:90%"], ["train[:90%"]),
        (["--data.train-split", "all[:80%]"], ["all[:80%]", "splits are test, train"]),
        (["--data.eval-split", "train[:5%]"], ["share train[0:30]", "trained on"]),
        (["--data.dataset", "huggingface:mnist"], ["huggingface:mnist", "namespace"]),
        (["--data.data-dir", "s3://bucket/tfds"], ["s3://bucket/tfds", "local"]),
        (["--pipeline-root", "run[1]"], ["pipeline_root", "run[1]", "* ? [ ]"]),
        (["--data.eval-split", "test[600:]"], ["test[600:]", "is empty"]),
        (["--data.data-dir", "/nowhere/tfds"], ["/nowhere/tfds"]),
        (["--data.schema", "/nowhere/schema.pbtxt"], ["/nowhere/schema.pbtxt"]),
        (["--serving-dir", "/dev/null/serving"], ["serving_dir", "/dev/null/serving"]),
    ],
)
def test_wrong_arguments(
    pipeline: Pipeline,
    capsys: pytest.CaptureFixture[str],
    flags: list[str],
    words: list[str],
) -> None:
    run = _fails(pipeline, capsys, *flags, status=2)
    for word in words:
        assert word in run.error


def test_missing_tfds_data_dir(
    pipeline: Pipeline,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", "/nowhere/tfds")
    capsys.readouterr()
    flags = ["--pipeline-root", str(pipeline.root), "--data.dataset", "garments"]
    from pipeline.local import command

    assert command.main(flags) == 2
    assert "TFDS_DATA_DIR is '/nowhere/tfds'" in capsys.readouterr().err


@pytest.mark.parametrize("root", ["/dev/null/root", "/proc/root"])
def test_unwritable_pipeline_root(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str], root: str
) -> None:
    run = _fails(pipeline, capsys, "--pipeline-root", root, status=2)
    assert "pipeline_root" in run.error
    assert root in run.error


def test_schema_that_is_not_text(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path
) -> None:
    schema = tmp_path / "schema.pbtxt"
    schema.write_bytes(b"\xff\xfe")
    run = _fails(pipeline, capsys, "--data.schema", str(schema), status=2)
    assert str(schema) in run.error
    assert "UTF-8" in run.error


def test_file_that_is_no_database(
    capsys: pytest.CaptureFixture[str],
    garments_dir: pathlib.Path,
    tmp_path: pathlib.Path,
) -> None:
    database = tmp_path / "metadata.sqlite"
    database.write_text("some text " * 1000)
    assert cli.main(["runs", "--root", str(tmp_path)]) == 1
    errors = [capsys.readouterr().err]
    run = Pipeline(tmp_path, garments_dir).run(capsys)
    assert run.status == 1
    errors.append(run.error)
    for error in errors:
        (line,) = error.splitlines()
        assert str(database) in line
        assert "move it away" in line
        assert "SELECT" not in line


def test_database_that_another_process_uses(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    database = pipeline.root / "metadata.sqlite"
    code = (
        "import sqlite3, sys, time\n"
        "connection = sqlite3.connect(sys.argv[1])\n"
        "connection.execute('BEGIN EXCLUSIVE')\n"
        "print('held', flush=True)\n"
        "time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(database)], stdout=subprocess.PIPE, text=True
    ) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            run = pipeline.run(capsys)
        finally:
            holder.kill()
    assert run.status == 1
    (line,) = run.error.splitlines()
    assert str(database) in line
    assert "another process" in line
    assert "TfdsExampleGen" not in run.output


@pytest.mark.slow
def test_damaged_file_of_an_earlier_step(
    capsys: pytest.CaptureFixture[str],
    garments_dir: pathlib.Path,
    tmp_path: pathlib.Path,
) -> None:
    pipeline = Pipeline(tmp_path, garments_dir)
    # Ends soon after the ingestion.
    stopped = ["--data.num-classes", "5"]
    assert "ExampleValidator failed" in pipeline.run(capsys, *stopped).error
    (path,) = tmp_path.glob("TfdsExampleGen/examples/*/Split-train/*")
    written = path.read_bytes()
    middle = len(written) // 2
    # Or else they are a cache hit.
    shutil.rmtree(tmp_path / "StatisticsGen")
    for content in (written[:middle].ljust(len(written), b"\0"), written[:20]):
        path.write_bytes(content)
        run = pipeline.run(capsys, *stopped)
        assert run.status == 1
        (line,) = run.error.splitlines()
        assert line.startswith("error: StatisticsGen failed: ")
        assert f"'{path.parents[1]}'" in line.partition(" delete ")[2]
        assert len(line) < 1000
    assert f"{str(path)!r} has 20 bytes" in line
    shutil.rmtree(path.parents[1])
    assert "ExampleValidator failed" in pipeline.run(capsys, *stopped).error


def test_transformed_examples_that_were_cut(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path
) -> None:
    assert pipeline.run(capsys).status == 0
    shutil.copytree(pipeline.root / "Transform", tmp_path / "Transform")
    (path,) = tmp_path.glob("Transform/transformed_examples/*/Split-train/*")
    path.write_bytes(path.read_bytes()[:20])
    flags = ["--run", str(tmp_path), "--output", str(tmp_path / "real.png")]
    assert cli.main(["real", *flags]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{str(path)!r} has 20 bytes" in line
    assert f"delete '{path.parents[1]}'" in line


def test_batch_larger_than_the_data(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    run = _fails(pipeline, capsys, "--train.batch-size", "301", status=1)
    assert "301" in run.error
    assert "300 training images" in run.error


@pytest.mark.slow
def test_loss_that_is_not_finite(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    run = _fails(
        pipeline, capsys, "--train.discriminator-learning-rate", "1e30", status=1
    )
    assert "Trainer failed" in run.error
    assert "loss" in run.error
    assert "--train.discriminator-learning-rate" in run.error


@pytest.mark.slow
def test_anomaly_stops_the_run_before_transform(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    run = _fails(pipeline, capsys, "--data.num-classes", "5", status=1)
    assert "ExampleValidator failed" in run.error
    assert "label" in run.error
    assert "Transform" not in run.output


def test_corrupt_record(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str], corrupt_dir: pathlib.Path
) -> None:
    run = _fails(pipeline, capsys, "--data.data-dir", str(corrupt_dir), status=1)
    assert "TfdsExampleGen failed" in run.error
    assert "garments/2.0.0" in run.error
    assert str(corrupt_dir) in run.error


@pytest.mark.slow
def test_a_failed_process_prints_one_line_and_no_traceback(
    pipeline: Pipeline, corrupt_dir: pathlib.Path
) -> None:
    failed = subprocess.run(
        pipeline.command("--data.data-dir", str(corrupt_dir)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert failed.returncode == 1
    (line,) = failed.stderr.splitlines()
    assert line.startswith("error: TfdsExampleGen failed: garments/2.0.0")
    assert "Traceback" not in failed.stdout


def test_two_runs_at_once(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import filelock, sys, time\n"
            "with filelock.FileLock(sys.argv[1]):\n"
            "    print('held', flush=True)\n"
            "    time.sleep(60)",
            str(pipeline.root / ".lock"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        run = pipeline.run(capsys)
        assert run.status == 1
        assert "Another run" in run.error
        assert str(pipeline.root) in run.error
    finally:
        holder.kill()
        holder.wait()
    # The lock of a killed process does not stay.
    assert pipeline.run(capsys).status == 0


@pytest.mark.slow
def test_full_disk(
    capsys: pytest.CaptureFixture[str],
    garments_dir: pathlib.Path,
    tmp_path: pathlib.Path,
) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=800k", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system is not permitted here")
    try:
        pipeline = Pipeline(tmp_path / "root", garments_dir)
        run = pipeline.run(capsys)
        assert run.status == 1
        (line,) = run.error.splitlines()
        assert "no space left" in line.lower()
        subprocess.run(["mount", "-o", "remount,size=200m", str(tmp_path)], check=True)
        assert pipeline.run(capsys).status == 0
        assert len(pipeline.versions) == 1
    finally:
        # Lazily: TensorFlow keeps a file open for as long as this process lives.
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)
