"""Does memory grow with the training images? `uv run benchmarks/memory.py`.

Trainer, ClassifierTrainer and GanEvaluator run in a process each, on as many made-up
images of 28x28 as each of `--sizes` says. Their memory is the peak of `RssAnon` in
`/proc/PID/status`, which leaves out the page cache of mapped files: the operating
system takes that back when it needs memory.

With `--baseline`, the same is measured in another checkout of this project, such as a
`git worktree` of an earlier commit. Both use the interpreter that runs the benchmark.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import numpy as np
import rich.table
import timing
import tyro

from msg_modules.common import console

_BENCHMARKS = pathlib.Path(__file__).parent
_PER_FILE = 1000
_TEST_FILES = 10
_SECONDS_BETWEEN_SAMPLES = 0.02
_DATASET = "noise:1.0.0"
_CLASSES = 10


@dataclasses.dataclass(frozen=True)
class Args:
    """Flags of the benchmark."""

    sizes: tuple[int, ...] = (60_000, 1_000_000)
    """Numbers of training images, multiples of 1,000."""

    baseline: pathlib.Path | None = None
    """Another checkout, to compare with."""

    baseline_sizes: tuple[int, ...] = (60_000,)
    """Numbers of training images there."""


@dataclasses.dataclass(frozen=True)
class Usage:
    """What a process used at most, in bytes, and how long it took."""

    anonymous: int = 0
    file: int = 0
    seconds: float = 0.0


def main() -> None:
    """Measures all steps and prints the table."""
    args = tyro.cli(Args, description=__doc__)
    console.quiet_libraries()
    rounds = [("", _BENCHMARKS.parent, size) for size in args.sizes]
    if args.baseline:
        checkout = args.baseline.absolute()
        rounds += [("baseline: ", checkout, size) for size in args.baseline_sizes]
    table = rich.table.Table("", "training images", "anonymous", "page cache", "time")
    with tempfile.TemporaryDirectory() as root:
        pattern = pathlib.Path(root, "pattern.gz")
        _write_examples(pattern)
        for prefix, checkout, size in rounds:
            directory = pathlib.Path(root, f"{prefix.strip(': ')}{size}")
            for split, count in (("train", size // _PER_FILE), ("eval", _TEST_FILES)):
                split_dir = directory / "examples" / f"Split-{split}"
                split_dir.mkdir(parents=True)
                for number in range(count):
                    (split_dir / f"examples-{number:05}.gz").hardlink_to(pattern)
            for step in STEPS:
                console.say(f"{prefix}{step} with {size:,} images ...")
                used = _measure(step, directory, checkout)
                console.say(f"  {used}")
                table.add_row(
                    f"{prefix}{step}",
                    f"{size:,}",
                    f"{used.anonymous / 1e6:,.0f} MB",
                    f"{used.file / 1e6:,.0f} MB",
                    f"{used.seconds:.0f} s",
                )
    console.console.print(table)


def _write_examples(path: pathlib.Path) -> None:
    """Writes 1,000 examples as Transform does."""
    import tensorflow as tf

    pyramid = timing.noise_examples(_PER_FILE).pyramid(slice(None))
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for number, images in enumerate(zip(*pyramid, strict=True)):
            features = {
                key: tf.train.Feature(
                    float_list=tf.train.FloatList(value=np.ravel(image))
                )
                for key, image in zip(timing.FASHION.shapes, images, strict=True)
            }
            label = tf.train.Int64List(value=[number % _CLASSES])
            features["label"] = tf.train.Feature(int64_list=label)
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())


def _measure(step: str, directory: pathlib.Path, checkout: pathlib.Path) -> Usage:
    """Runs a step in a process of its own and watches it."""
    start, used = time.perf_counter(), Usage()
    environment = {**os.environ, "PYTHONPATH": f"{checkout}:{_BENCHMARKS}"}
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import sys, memory; memory.STEPS[sys.argv[1]](sys.argv[2])",
                step,
                str(directory),
            ],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=said,
        ) as process,
    ):
        while process.poll() is None:
            seen = _usage(process.pid)
            used = Usage(
                max(used.anonymous, seen.anonymous),
                max(used.file, seen.file),
                time.perf_counter() - start,
            )
            time.sleep(_SECONDS_BETWEEN_SAMPLES)
        if process.returncode:
            said.seek(0)
            sys.exit(f"{step} failed:\n{said.read().decode()[-2000:]}")
    return used


def _usage(pid: int) -> Usage:
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    found = dict(re.findall(r"Rss(Anon|File):\s+(\d+) kB", status))
    return Usage(1024 * int(found.get("Anon", 0)), 1024 * int(found.get("File", 0)))


def _train(directory: str) -> None:
    console.quiet_libraries()
    from msg_modules.configs import ModelConfig, TrainConfig
    from msg_modules.training import run_fn

    run_fn.train_and_export(
        ModelConfig(),
        TrainConfig(steps=20),
        [f"{directory}/examples/Split-train/*"],
        model_dir=f"{directory}/model/Format-Serving",
        run_dir=f"{directory}/run",
        checkpoint_root=f"{directory}/checkpoints",
    )


def _train_classifier(directory: str) -> None:
    console.quiet_libraries()
    from components.classifier_trainer import executor
    from msg_modules.configs import ClassifierConfig

    # All images are read, but most are only classified, which is faster.
    config = ClassifierConfig(epochs=1, held_out=0.9)
    executor.Executor().Do(
        {"examples": [_examples(directory)], "schema": [_schema()]},
        {"classifier": [_artifact(directory, "classifier")]},
        {
            "config": json.dumps(dataclasses.asdict(config)),
            "code": "",
        },
    )


def _evaluate(directory: str) -> None:
    console.quiet_libraries()
    from components.gan_evaluator import executor
    from msg_modules.configs import EvaluateConfig

    names = {"model": "model", "classifier": "classifier", "model_run": "run"}
    executor.Executor().Do(
        {
            "examples": [_examples(directory)],
            "schema": [_schema()],
            **{key: [_artifact(directory, name)] for key, name in names.items()},
        },
        {key: [_artifact(directory, key)] for key in ("evaluation", "blessing")},
        {
            "test_split": "test",
            "config": json.dumps(dataclasses.asdict(EvaluateConfig(num_seeds=1))),
            "serving_dir": None,
            "code": "",
        },
    )


def _schema():
    from tfx.types import standard_artifacts

    from msg_modules.data.dataset_spec import DatasetSpec

    schema = standard_artifacts.Schema()
    DatasetSpec(_DATASET, timing.FASHION, num_classes=_CLASSES).attach(schema)
    return schema


def _examples(directory: str):
    from tfx.types import artifact_utils, standard_artifacts

    examples = standard_artifacts.Examples()
    examples.uri = f"{directory}/examples"
    examples.split_names = artifact_utils.encode_split_names(["train", "eval"])
    return examples


def _artifact(directory: str, name: str):
    from tfx.types import standard_artifacts

    artifact = standard_artifacts.Model()
    artifact.uri = f"{directory}/{name}"
    return artifact


STEPS = {
    "Trainer": _train,
    "ClassifierTrainer": _train_classifier,
    "GanEvaluator": _evaluate,
}


if __name__ == "__main__":
    main()
