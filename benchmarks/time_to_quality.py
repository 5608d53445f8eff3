"""How does image quality improve with training time?

`uv run benchmarks/time_to_quality.py` trains each of these on Fashion-MNIST:

- `article`: the article's networks, recipe and loop, batch size 256, with TensorFlow's
  defaults;
- `starting point`: the small GAN that this project began with, with TensorFlow's
  defaults;
- `compact`: this project's default.

Each trains in its own process, in alternating turns of a few seconds, so that drifting
machine speed affects all of them equally. At several points in time each generates
images, which does not count as training time, and the Frechet distance to the *test*
split in a classifier's feature space is printed: lower is better. `recipe.py` measures
the effect of the recipe alone.
"""

from __future__ import annotations

import dataclasses
import json
import multiprocessing.connection
import pathlib
import time

import numpy as np
import quality
import timing
import tyro

from msg_modules.common import console

_CONTENDERS = ("article", "starting point", "compact")
# When to evaluate, as shares of the time. The article's generator needs minutes for it.
_MARKS = (0.1, 0.25, 0.5, 1.0)
_NUM_SHOWN = 20


@dataclasses.dataclass(frozen=True)
class Args:
    """Flags of the benchmark."""

    minutes: float = 10.0
    """Training time of each contender, in minutes."""

    turn: float = 20.0
    """Duration of a turn, in seconds."""

    seed: int = 0
    """Random seed."""

    output: pathlib.Path = pathlib.Path("output/benchmarks")
    """Output directory for `time_to_quality.png`, `.json`, `_samples.npz` and the
    classifier."""


def main() -> None:
    """Trains all contenders, prints the table and plots the curves."""
    args = tyro.cli(Args, description=__doc__)
    console.quiet_libraries()
    args.output.mkdir(parents=True, exist_ok=True)
    images = quality.load_images()
    judge = quality.Judge(images, images.test, args.output / "classifier")
    console.say(f"classifier: {judge.classifier.info}")
    contenders = {}
    try:
        for name in _CONTENDERS:
            contenders[name] = _Contender(name, args)
        _take_turns(contenders, judge, args)
    finally:
        for contender in contenders.values():
            contender.stop()
    curves = {name: contender.curve for name, contender in contenders.items()}
    (args.output / "time_to_quality.json").write_text(json.dumps(curves, indent=2))
    samples = {name: contender.samples for name, contender in contenders.items()}
    np.savez_compressed(args.output / "time_to_quality_samples.npz", **samples)
    _print(curves, judge, args)
    _draw(curves, samples, judge, args.output / "time_to_quality.png")


class _Contender:
    """A process that trains on command.

    Attributes:
      seconds: Training time so far.
      curve: Minutes, images and distance at each mark.
      samples: Some of the images of the last evaluation.
    """

    def __init__(self, name: str, args: Args):
        self.name = name
        self.seconds = 0.0
        self.curve: list[dict[str, float]] = []
        self.samples = np.empty([0, 28, 28, 1], np.float32)
        self._images = 0
        self._marks = [60 * args.minutes * mark for mark in _MARKS]
        self._connection, self._process = timing.start(
            _serve,
            (name, args.seed),
            with_onednn=name == "compact",
        )
        self._connection.recv()

    @property
    def is_done(self) -> bool:
        """Whether it has passed the last mark."""
        return not self._marks

    def take_turn(self, seconds: float, judge: quality.Judge) -> None:
        """Trains for a turn, and evaluates if that passes a mark."""
        self._connection.send(min(seconds, self._marks[0] - self.seconds))
        spent, images = self._connection.recv()
        self.seconds += spent
        self._images += images
        if self.seconds < self._marks[0] - 0.5:
            return
        while self._marks and self.seconds >= self._marks[0] - 0.5:
            del self._marks[0]
        self._connection.send(judge.num_images)
        drawn = self._connection.recv()
        self.samples = drawn[:_NUM_SHOWN]
        distance = judge.distance(drawn)
        minutes = self.seconds / 60
        self.curve.append(
            {"minutes": minutes, "images": self._images, "distance": distance}
        )
        console.say(
            f"{self.name:<24} {minutes:5.1f} min {self._images:>9,} images"
            f"  distance {distance:.2f}"
        )

    def stop(self) -> None:
        """Kills the process."""
        self._process.kill()
        self._process.join()


def _take_turns(
    contenders: dict[str, _Contender], judge: quality.Judge, args: Args
) -> None:
    with console.progress(
        "training", round(60 * args.minutes * len(contenders)), 0
    ) as show:
        while not all(contender.is_done for contender in contenders.values()):
            for contender in contenders.values():
                if not contender.is_done:
                    contender.take_turn(args.turn, judge)
                    show(round(sum(c.seconds for c in contenders.values())))


def _serve(
    connection: multiprocessing.connection.Connection, name: str, seed: int
) -> None:
    """Main loop of a process: trains for a time (float) or draws images (int)."""
    console.quiet_libraries()
    training, batch_size = _build(name, seed)
    training.run(1)  # traces
    connection.send(None)
    seconds_per_step = 1.0
    while True:
        what = connection.recv()
        if isinstance(what, int):
            generator, latent_dim = training.generator, training.latent_dim
            connection.send(quality.draw(generator, latent_dim, what))
            continue
        start, steps = time.perf_counter(), 0
        while (left := what - (time.perf_counter() - start)) > 0:
            count = max(1, int(min(1.0, left) / seconds_per_step))
            began = time.perf_counter()
            training.run(count)
            seconds_per_step = (time.perf_counter() - began) / count
            steps += count
        connection.send((time.perf_counter() - start, steps * batch_size))


def _build(name: str, seed: int):
    import keras

    examples = quality.load_images().train
    if name == "article":
        import article

        keras.utils.set_random_seed(seed)
        return article.Training(examples, 256), 256
    if name == "starting point":
        import starting_point

        keras.utils.set_random_seed(seed)
        return starting_point.Training(examples), 64
    from ours import Training

    from msg_modules.configs import ModelConfig, TrainConfig

    recipe = TrainConfig(seed=seed)
    # Without class labels, like the others.
    model = ModelConfig(conditional=False)
    return Training(examples, model, recipe), recipe.batch_size


def _print(
    curves: dict[str, list[dict[str, float]]], judge: quality.Judge, args: Args
) -> None:
    import rich.table

    table = rich.table.Table(
        title=f"Frechet distance of {judge.num_images:,} images to the test split,"
        f" {judge.classifier.info.extractor}",
        title_justify="left",
    )
    table.add_column("minutes of training", no_wrap=True)
    for mark in _MARKS:
        table.add_column(f"{args.minutes * mark:g}", justify="right")
    table.add_column("images", justify="right")
    for name, curve in curves.items():
        # A single step of the article's loop may pass more than one mark.
        cells = []
        for mark in _MARKS:
            passed = [p for p in curve if p["minutes"] >= args.minutes * mark - 0.01]
            cells.append(f"{passed[0]['distance']:.1f}" if passed else "")
        table.add_row(name, *cells, f"{curve[-1]['images']:,}")
    console.console.print(table)


def _draw(
    curves: dict[str, list[dict[str, float]]],
    samples: dict[str, np.ndarray],
    judge: quality.Judge,
    path: pathlib.Path,
) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    heights = [8] + [1] * len(samples)
    figure = plt.figure(figsize=(8, 6), layout="constrained")
    top, *strips = figure.subplots(len(heights), 1, height_ratios=heights)
    for name, curve in curves.items():
        top.plot(
            [point["minutes"] for point in curve],
            [point["distance"] for point in curve],
            marker="o",
            label=name,
        )
    top.set(
        xlabel="minutes of training",
        ylabel=f"Frechet distance, {judge.num_images:,} test images",
        yscale="log",
        title="Fashion-MNIST, time to quality",
    )
    top.grid(alpha=0.3, which="both")
    top.legend(loc=(0.02, 0.6))
    for axes, (name, images) in zip(strips, samples.items(), strict=True):
        axes.imshow(np.hstack(images[..., 0]), cmap="gray", vmin=-1, vmax=1)
        axes.set_axis_off()
        axes.set_title(f"{name}, {curves[name][-1]['minutes']:.0f} minutes", loc="left")
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
