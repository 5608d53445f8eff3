"""Is anything lost when a run is disturbed? `uv run benchmarks/endurance.py`.

The pipeline runs again and again on a small dataset. At random moments, often in the
middle of a write, it is interrupted or killed, or its disk gets full or read-only;
after that, a file of an artifact is truncated or gets a wrong bit. The same command
then goes on. After every run it is checked that

- the exit status and the line on standard error are those that are documented, without
  a traceback;
- every version in the serving directory is whole, loads and draws, and has bit for bit
  the weights of a run that was never disturbed; none is served that was not blessed,
  and none that was served is gone;
- the metadata can be read;
- an error about a damaged file says what to delete, and the run then succeeds.

Most runs are forked from a process that has imported TFX, since that takes as long as
the rest of the run; some of them, and the first, which is not disturbed, are plain
commands. Full and read-only disks need root, which may mount file systems.

It prints a table, and exits with status 1 if something was lost. What the runs printed
and copies of the pipeline root are then kept.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import glob
import math
import os
import pathlib
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from typing import Any

import disturbances
import forked_runner
import numpy as np
import rich.box
import rich.table
import tyro
from disturbances import KINDS, Disk, Kind

from msg_modules.common import console

_LOCAL_RUNNER = pathlib.Path(__file__).parents[1] / "local_runner.py"
_LIMIT_SECONDS = 900.0
_IMAGES = 100
_FLAGS = f"""
    --data.dataset garments --data.max-examples {_IMAGES} --model.latent-dim 8
    --train.steps 40 --train.batch-size 4 --train.r1-gamma 0 --train.deterministic
    --train.report-every 10 --train.sample-every 20 --train.checkpoint-every 2
    --classifier.epochs 1 --evaluate.num-seeds 1 --evaluate.max-frechet-share None
    --evaluate.min-coverage None --evaluate.max-class-distance None
    --evaluate.max-worsening None
""".split()
_MORE_FLAGS = {
    "first": [],
    "next": ["--train.seed", "1"],
    "refused": ["--train.seed", "2", "--evaluate.max-frechet", "1e-9"],
}
_NO_ARTIFACTS = ("serving", "latest")
_START = "the start"
# In a pipeline root, what a write creates.
_WRITES = ("metadata.sqlite-journal", "serving/.*.part", "*/*/*/*")
_DAMAGED = Kind(lambda *_: None, (1,), "^error: .*delete")


@dataclasses.dataclass(frozen=True)
class Args:
    """Flags of the benchmark."""

    minutes: float = 30.0
    """Duration, in minutes. What has begun then is brought to its end."""

    disturbances: int | None = None
    """Number of disturbances after which to stop earlier. Default: no limit."""

    seed: int = 0
    """Seed of the disturbances and their moments."""

    plain: float = 0.1
    """Fraction of the disturbed runs that are plain commands."""

    first_only: bool = False
    """Only runs on a new pipeline root, which saves two undisturbed runs."""


class Loss(Exception):
    """Something that is promised does not hold."""


@dataclasses.dataclass(frozen=True)
class Run:
    """How a run ended: its exit status, negative for a signal, and what it printed."""

    status: int
    output: str
    error: str

    def seconds(self, how: str) -> dict[str, float]:
        """Duration of each component that is `done` or a `cache hit`."""
        found = re.findall(rf"\] (\w+): (?:{how}) \(([\d.]+) s\)", self.output)
        return {name: float(seconds) for name, seconds in found}


@dataclasses.dataclass(frozen=True)
class Scenario:
    """What is run.

    Attributes:
      name: Name in the log.
      flags: Flags of the command.
      before: The pipeline root from which it starts; None for none.
      seconds: Duration of each component, without disturbances.
      old: Number of versions served before it.
      served: Weights of all versions served after it, by name.
    """

    name: str
    flags: list[str]
    before: pathlib.Path | None
    seconds: dict[str, float]
    old: int
    served: list[dict[str, np.ndarray]]


def main() -> None:
    """Disturbs runs and prints the table."""
    args = tyro.cli(Args, description=__doc__)
    console.quiet_libraries()
    os.environ["TERM"] = "dumb"  # What forked processes print goes to files.
    # A shell lets what it starts in the background ignore Ctrl-C, nohup a hangup.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    end = time.monotonic() + 60 * args.minutes
    directory = pathlib.Path(tempfile.mkdtemp(prefix="endurance-"))
    # Whatever is killed leaves its temporary files.
    os.environ["TMPDIR"] = str(directory / "tmp")
    disk = Disk(directory)
    if not disk.is_small:
        console.warn("No file system can be mounted here, so no disk gets full.")
    endurance = Endurance(args, directory, disk)
    try:
        scenarios = endurance.undisturbed()
        while time.monotonic() < end and endurance.has_more():
            endurance.disturb(scenarios)
    finally:
        disk.close()
        endurance.report()
    if endurance.has_lost:
        console.fail(f"Something was lost; {directory} has the roots and the logs.")
        sys.exit(1)
    shutil.rmtree(directory)


class Endurance:
    """Disturbs runs on one pipeline root and keeps count."""

    def __init__(self, args: Args, directory: pathlib.Path, disk: Disk):
        """Prepares the dataset in a directory."""
        self._args, self._directory, self._disk = args, directory, disk
        self._random = random.Random(args.seed)
        self._num_runs = 0
        self._kind = ""
        self._ends: dict[str, collections.Counter[str]] = {
            name: collections.Counter()
            for name in (*KINDS, *disturbances.DAMAGES)
            if disk.is_small or name not in disturbances.ON_DISK
        }
        self._lost: collections.Counter[str] = collections.Counter()
        for name in ("runs", "tfds", "tmp"):
            (directory / name).mkdir()
        _prepare_dataset(directory / "tfds")

    def has_more(self) -> bool:
        """Whether fewer disturbances were made than asked for."""
        done = sum(ends.total() for ends in self._ends.values())
        return done < (self._args.disturbances or math.inf)

    @property
    def has_lost(self) -> bool:
        """Whether something was lost."""
        return bool(self._lost)

    def undisturbed(self) -> list[Scenario]:
        """Runs each scenario without disturbances, the first as a plain command."""
        scenarios: list[Scenario] = []
        first = self._directory / "first"
        places = ["--pipeline-root", str(self._disk.root)]
        places += ["--data.data-dir", str(self._directory / "tfds")]
        for name, more in _MORE_FLAGS.items():
            if scenarios and self._args.first_only:
                break
            flags = [*places, *_FLAGS, *more]
            before = first if scenarios else None
            scenario = Scenario(name, flags, before, {}, 0, [])
            self._reset(scenario)
            old = _served(self._disk.root)
            run = self._start(scenario, "no disturbance", not scenarios).wait()
            served = _served(self._disk.root)
            if run.status or len(served) != len(old) + (name != "refused"):
                sys.exit(f"Run {name!r}, which was not disturbed, failed: {run.error}")
            scenarios.append(
                dataclasses.replace(
                    scenario,
                    seconds=run.seconds("done"),
                    old=len(old),
                    served=served,
                )
            )
            if not before:
                shutil.copytree(self._disk.root, first, symlinks=True)
        return scenarios

    def disturb(self, scenarios: list[Scenario]) -> None:
        """Disturbs one run after the other until the pipeline has come to its end."""
        # The first run does the most.
        weights = [len(scenario.seconds) for scenario in scenarios]
        (scenario,) = self._random.choices(scenarios, weights)
        self._reset(scenario)
        try:
            places = [_START, *scenario.seconds]
            for _ in range(self._random.randint(4, 12)):
                # One of the next, so that many come before the end.
                place = self._random.choice(places[:3])
                run = self._disturbed(scenario, place)
                ended = {_START, *run.seconds("done|cache hit")}
                places = [place for place in places if place not in ended]
                if not run.status or not places:
                    break
            self._damaged(scenario)
        except Loss as loss:
            self._lost[self._kind] += 1
            console.fail(f"lost: {loss}")
            self._disk.mend()
            if self._disk.root.exists():
                kept = self._directory / f"lost_{self._num_runs:04}"
                shutil.copytree(self._disk.root, kept, symlinks=True)

    def report(self) -> None:
        """Prints the table."""
        table = rich.table.Table(
            "disturbance", "times", "how the run ended", "lost", box=rich.box.MARKDOWN
        )
        for name, ends in self._ends.items():
            how = ", ".join(f"{end} ({count})" for end, count in ends.most_common())
            table.add_row(name, str(ends.total()), how, str(self._lost[name]))
        console.show_table(table)

    def _disturbed(self, scenario: Scenario, place: str) -> Run:
        """Runs the command, and disturbs it at a moment in a component."""
        self._kind = self._random.choice([name for name in self._ends if name in KINDS])
        kind = KINDS[self._kind]
        is_plain = self._random.random() < self._args.plain
        seconds = self._random.uniform(0, scenario.seconds.get(place, 1.0))
        in_write = self._random.random() < 0.5
        moment = f"{place} + {seconds:.1f} s{' and a write' * in_write}"
        process = self._start(scenario, f"{self._kind} at {moment}", is_plain)
        is_running = self._wait(process, place, seconds, in_write)
        if is_running:
            kind.act(process.pid, self._disk)
        run = process.wait()
        self._disk.mend()
        if is_running:
            self._ends[self._kind][_how(run)] += 1
        self._check(scenario, run, kind if is_running else None)
        return run

    def _wait(
        self, process: Process, place: str, seconds: float, in_write: bool
    ) -> bool:
        """Waits for a moment; whether the process is still running then."""
        while process.is_running() and not process.has_begun(place):
            time.sleep(0.005)
        end = time.monotonic() + seconds
        # At the latest at its end: undisturbed, it may have taken longer.
        while process.is_running() and time.monotonic() < end:
            if process.has_ended(place):
                break
            time.sleep(0.005)
        known = self._writes()
        while in_write and process.is_running() and not self._writes() - known:
            time.sleep(0.001)
        return process.is_running()

    def _writes(self) -> set[str]:
        root = self._disk.root
        return {path for name in _WRITES for path in glob.glob(name, root_dir=root)}

    def _damaged(self, scenario: Scenario) -> None:
        """Damages a file, if there is one yet, and brings the run to its end."""
        self._kind = self._random.choice(disturbances.DAMAGES)
        what, kind = "no file yet", None
        if artifacts := _artifacts(self._disk.root):
            path = self._random.choice(self._random.choice(artifacts))
            what, kind = str(path.relative_to(self._disk.root)), _DAMAGED
            disturbances.damage(path, self._kind, self._random)
        run = self._start(scenario, f"{self._kind}: {what}").wait()
        if artifacts:
            self._ends[self._kind][_how(run)] += 1
        self._check(scenario, run, kind)
        while run.status:
            _delete_named(run.error, self._disk.root)
            run = self._start(scenario, "what the error names is deleted").wait()
            self._check(scenario, run, kind)

    def _start(self, scenario: Scenario, what: str, is_plain: bool = False) -> Process:
        self._num_runs += 1
        name = f"{self._num_runs:04}_{scenario.name}"
        how = "plain" if is_plain else "forked"
        console.say(f"{time.strftime('%H:%M:%S')} {name}, {how}: {what}")
        return Process(scenario.flags, self._directory / "runs" / name, is_plain)

    def _reset(self, scenario: Scenario) -> None:
        shutil.rmtree(self._disk.root, ignore_errors=True)
        if scenario.before:
            shutil.copytree(scenario.before, self._disk.root, symlinks=True)

    def _check(self, scenario: Scenario, run: Run, kind: Kind | None) -> None:
        """Checks how a run ended and what it has left."""
        last = (run.error or run.output).splitlines()[-1:]
        console.say(f"  {run.status}: {' '.join(last)}")
        _check_end(run, kind)
        _check_metadata(self._disk.root, kind, is_first=not scenario.before)
        served = _served(self._disk.root)
        if kind is _DAMAGED:
            # A model that was made again may be pushed again.
            served = [
                version
                for number, version in enumerate(served)
                if not number or not _is_same(version, served[number - 1])
            ]
        if not scenario.old <= len(served) <= len(scenario.served):
            raise Loss(f"{len(served)} versions are served")
        if not all(map(_is_same, served, scenario.served)):
            raise Loss("a version has other weights than without disturbances")
        if not run.status:
            if len(served) < len(scenario.served):
                raise Loss("the run has ended, but has not pushed")
            if left := glob.glob("serving/.*", root_dir=self._disk.root):
                raise Loss(f"the run has ended, but has left {left}")


class Process:
    """The command in a process of its own, plain or forked."""

    def __init__(self, flags: list[str], log: pathlib.Path, is_plain: bool):
        """Starts it; what it prints goes to `log.out` and `log.err`."""
        self._files = log.with_suffix(".out"), log.with_suffix(".err")
        self._began = time.monotonic()
        self._process: Any
        if is_plain:
            output, error = (path.open("w") for path in self._files)
            command = [sys.executable, "-u", str(_LOCAL_RUNNER), *flags]
            with output, error:
                self._process = subprocess.Popen(command, stdout=output, stderr=error)
        else:
            self._process = forked_runner.start(flags, *self._files)
        self.pid = self._process.pid

    def is_running(self) -> bool:
        """Whether it has not ended.

        Raises:
          Loss: If it hangs.
        """
        if self._status() is not None:
            return False
        if time.monotonic() - self._began > _LIMIT_SECONDS:
            os.kill(self.pid, signal.SIGKILL)
            raise Loss(f"the run has not ended after {_LIMIT_SECONDS:.0f} s")
        return True

    def _status(self) -> int | None:
        if isinstance(self._process, subprocess.Popen):
            return self._process.poll()
        return self._process.exitcode

    def has_begun(self, place: str) -> bool:
        """Whether it has come to a component."""
        return place == _START or f"] {place} ..." in self._files[0].read_text()

    def has_ended(self, place: str) -> bool:
        """Whether it has left a component."""
        return f"] {place}: " in self._files[0].read_text()

    def wait(self) -> Run:
        """Waits until it ends."""
        while self.is_running():
            time.sleep(0.01)
        output, error = (path.read_text() for path in self._files)
        return Run(self._status(), output, error)


def _prepare_dataset(data_dir: pathlib.Path) -> None:
    import tensorflow_datasets as tfds

    import components.tfds_example_gen.builders  # noqa: F401

    tfds.disable_progress_bar()
    config = tfds.download.DownloadConfig(max_examples_per_split=_IMAGES)
    builder = tfds.builder("garments", data_dir=data_dir)
    builder.download_and_prepare(download_config=config)


def _how(run: Run) -> str:
    return f"status {run.status}" if run.status else "success"


def _check_end(run: Run, kind: Kind | None = None) -> None:
    """Checks the exit status and what was printed.

    Args:
      run: The run.
      kind: How it was disturbed; None if it was not.
    """
    if kind and kind.is_signal and not run.output:
        return  # Python itself was still starting.
    if "Traceback" in run.output + run.error:
        raise Loss("a traceback was printed")
    words = kind and kind.words
    if not run.status:
        if run.error:
            raise Loss("the run succeeded, but printed an error")
        if kind and kind.is_signal and "Finished in" not in run.output:
            raise Loss("the run went on as if there had been no signal")
        return
    if not kind or run.status not in kind.statuses:
        raise Loss(f"the exit status is {run.status}")
    if words and not (re.search(words, run.error) and run.error.count("\n") == 1):
        raise Loss(f"there should be one line of error, with {words!r}")


def _check_metadata(root: pathlib.Path, kind: Kind | None, is_first: bool) -> None:
    """Reads the metadata as `msg-gan runs` does, and lets SQLite check it."""
    from msg_modules.common.errors import RunError
    from msg_modules.runs import evaluations

    database = root / "metadata.sqlite"
    if not database.exists():
        return
    if is_first and not database.stat().st_size:
        return  # The run was ended before it recorded anything.
    try:
        evaluations.find_evaluations(root)
    except RunError as e:
        # No step reads the metrics again, so a run does not notice their damage.
        if kind is not _DAMAGED or "delete" not in str(e):
            raise Loss(f"the metadata cannot be read: {e}") from e
    with contextlib.closing(sqlite3.connect(database)) as connection:
        ((answer,), *_) = connection.execute("PRAGMA integrity_check")
    if answer != "ok":
        raise Loss(f"the metadata is corrupt: {answer}")


def _served(root: pathlib.Path) -> list[dict[str, np.ndarray]]:
    """Draws from each version in the serving directory; their weights, oldest first."""
    import tensorflow as tf

    served = []
    versions = [path for path in root.glob("serving/*") if path.name[0] != "."]
    for version in sorted(versions, key=lambda path: int(path.name)):
        try:
            sample = tf.saved_model.load(str(version)).signatures["sample"]
            images = sample(num_images=tf.constant(4), seed=tf.constant(1, tf.int64))
            reader = tf.train.load_checkpoint(str(version / "variables" / "variables"))
            weights = {
                name: reader.get_tensor(name)
                for name in reader.get_variable_to_shape_map()
                if not name.startswith("_CHECKPOINTABLE")
            }
            card = (version / "README.md").read_text()
        except Exception as e:
            raise Loss(f"version {version.name} does not load: {e}") from e
        if not all(np.isfinite(image).all() for image in images.values()):
            raise Loss(f"version {version.name} draws what is no image")
        if not card.startswith("---\nlicense:"):
            raise Loss(f"version {version.name} has no whole model card")
        served.append(weights)
    return served


def _is_same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(
        np.array_equal(one[name], other[name]) for name in one
    )


def _artifacts(root: pathlib.Path) -> list[list[pathlib.Path]]:
    """The files of each artifact, and of each checkpoint directory."""
    found: dict[pathlib.Path, list[pathlib.Path]] = collections.defaultdict(list)
    for path in sorted(root.glob("*/*/*/**/*")):
        component, *_ = path.relative_to(root).parts
        if component not in _NO_ARTIFACTS and path.is_file() and path.stat().st_size:
            found[root.joinpath(*path.relative_to(root).parts[:3])].append(path)
    return list(found.values())


def _delete_named(error: str, root: pathlib.Path) -> None:
    """Deletes the directories of the artifacts that an error names."""
    found = re.findall(rf"{re.escape(str(root))}/([\w-]+/\w+(?:/\d+)?)", error)
    named = {root / path for path in found if (root / path).exists()}
    if not named:
        raise Loss("the error names nothing that could be deleted")
    for path in named:
        shutil.rmtree(path)


if __name__ == "__main__":
    main()
