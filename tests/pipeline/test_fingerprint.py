"""What an edit of the code, or of the data, reruns."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from components.tfds_example_gen import sources
from pipeline import fingerprint
from pipeline.configs import PipelineConfig
from pipeline.pipeline import create_pipeline

PACKAGES = ("components", "msg_modules", "pipeline")
TRAINED = {"Trainer", "GanEvaluator"}
LEARNED = {*TRAINED, "ClassifierTrainer"}
OURS = {
    *LEARNED,
    "TfdsExampleGen",
    "SchemaGen",
    "StatisticsGen",
    "ExampleValidator",
    "Transform",
    "Pusher",
}


@pytest.fixture
def source(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A copy of the source that a test may edit, in place of the source."""
    for name in PACKAGES:
        shutil.copytree(fingerprint._ROOT / name, tmp_path / name)
    monkeypatch.setattr(fingerprint, "_ROOT", tmp_path)
    return tmp_path


def _codes() -> dict[str, str]:
    """The hash of the code in each component's cache key."""
    pipeline = create_pipeline(PipelineConfig())
    return {c.id: c.exec_properties.get("code", "") for c in pipeline.components}


@pytest.mark.parametrize(
    ("edited", "rerun"),
    [
        ("components/blocking_example_validator/executor.py", {"ExampleValidator"}),
        ("components/card_pusher/executor.py", {"Pusher"}),
        ("components/checked_statistics_gen/executor.py", {"StatisticsGen"}),
        ("components/classifier_trainer/executor.py", {"ClassifierTrainer"}),
        ("components/gan_evaluator/executor.py", {"GanEvaluator"}),
        ("components/gan_trainer/executor.py", {"Trainer"}),
        ("components/image_transform/executor.py", {"Transform"}),
        ("components/inline_schema_gen/component.py", {"SchemaGen"}),
        ("components/tfds_example_gen/executor.py", {"TfdsExampleGen"}),
        (
            "components/tfds_example_gen/builders/garments/drawing.py",
            {"TfdsExampleGen"},
        ),
        ("msg_modules/__init__.py", OURS),
        ("msg_modules/common/errors.py", OURS),
        ("msg_modules/configs.py", {*LEARNED, "TfdsExampleGen", "Pusher"}),
        ("msg_modules/data/preprocessing.py", OURS - {"ExampleValidator"}),
        ("msg_modules/gan/losses.py", TRAINED),
        ("msg_modules/gan/networks/compact.py", TRAINED),
        ("msg_modules/training/loop.py", TRAINED),
        ("msg_modules/generator/latents.py", {*TRAINED, "Pusher"}),
        ("msg_modules/pictures/sheets.py", {*TRAINED, "Pusher"}),
        ("msg_modules/metrics/kernel.py", {"ClassifierTrainer", "GanEvaluator"}),
        ("msg_modules/report/page.py", {"GanEvaluator"}),
        ("msg_modules/report/templates/page.html", {"GanEvaluator"}),
        ("msg_modules/runs/layout.py", {"GanEvaluator"}),
        ("msg_modules/serving/app.py", set()),
        ("msg_modules/explorer/app.py", set()),
        ("msg_modules/commands/serve.py", set()),
        ("msg_modules/cli.py", set()),
        ("pipeline/local/command.py", set()),
        ("pipeline/kubeflow/compiler.py", set()),
    ],
)
def test_an_edit_reruns_the_components_that_may_run_it(
    source: pathlib.Path, edited: str, rerun: set[str]
) -> None:
    before = _codes()
    assert {name for name, code in before.items() if code} == OURS
    assert _codes() == before

    with (source / edited).open("a") as file:
        file.write("\n# An edit.\n")

    after = _codes()
    assert {name for name in before if before[name] != after[name]} == rerun


@pytest.mark.parametrize(
    ("added", "rerun"),
    [
        ("msg_modules/gan/networks/wide.py", TRAINED),
        ("msg_modules/report/templates/poster.html", {"GanEvaluator"}),
        ("components/tfds_example_gen/builders/shoes/builder.py", {"TfdsExampleGen"}),
        ("msg_modules/serving/quota.py", set()),
        ("msg_modules/gan/__pycache__/losses.cpython-310.pyc", set()),
        ("msg_modules/gan/.losses.py.swp", set()),
    ],
)
def test_a_new_file_counts_with_its_package(
    source: pathlib.Path, added: str, rerun: set[str]
) -> None:
    before = _codes()
    (source / added).parent.mkdir(parents=True, exist_ok=True)
    (source / added).write_text("A = 1\n")
    after = _codes()
    assert {name for name in before if before[name] != after[name]} == rerun


def test_every_package_is_edited_above() -> None:
    """A new package must be given its row."""
    rows = test_an_edit_reruns_the_components_that_may_run_it.pytestmark[0].args[1]
    covered = {str(pathlib.PurePath(edited).parent) for edited, _ in rows}
    packages = {
        str(path.parent.relative_to(fingerprint._ROOT))
        for name in PACKAGES
        for path in (fingerprint._ROOT / name).rglob("__init__.py")
    }
    assert packages - covered <= {"components", "pipeline", *_nested(covered)}


def _nested(covered: set[str]) -> set[str]:
    """The packages above those that are covered."""
    return {
        str(parent) for path in covered for parent in pathlib.PurePath(path).parents
    }


def test_data_are_told_apart_by_directory_and_by_every_change_of_a_file(
    garments_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    def current(directory: pathlib.Path) -> str:
        return sources.fingerprint(sources.load_builder("garments", str(directory)))

    copy = shutil.copytree(garments_dir, tmp_path / "copy")
    seen = [current(garments_dir), current(copy)]
    assert current(garments_dir) == seen[0]

    (record, *_) = copy.rglob("*.tfrecord*")
    times = record.stat()
    content = bytearray(record.read_bytes())
    content[len(content) // 2] ^= 1
    record.write_bytes(content)
    # As `cp --preserve` or `rsync --times` may leave it: same size, same time.
    os.utime(record, ns=(times.st_atime_ns, times.st_mtime_ns))
    seen.append(current(copy))

    shutil.copy(record, record.with_name("one-more.tfrecord"))
    seen.append(current(copy))
    record.with_name("one-more.tfrecord").unlink()
    record.unlink()
    seen.append(current(copy))
    assert len(set(seen)) == len(seen)


# In a process of its own, since the exceptions are raised anywhere in it.
INTERRUPTED = """
import os, signal, threading
from msg_modules.common import signals
from msg_modules.common.errors import Interrupted
from pipeline import fingerprint

count = 0
for milliseconds in range(0, 60, 2):
    fingerprint._import_graph.cache_clear()
    interruption = threading.Timer(
        milliseconds / 1000, os.kill, (os.getpid(), signal.SIGINT)
    )
    try:
        with signals.caught():
            interruption.start()
            fingerprint._import_graph()
            interruption.join()
    except Interrupted:
        count += 1
print(count)
"""


def test_an_interruption_waits_until_the_imports_are_known():
    run = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=300
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "30\n", "")
