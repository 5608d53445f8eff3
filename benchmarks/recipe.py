"""Which changes of the training recipe help? `uv run benchmarks/recipe.py`.

Trains `compact` with its default recipe, and with one change per row, for the same
wall-clock time on the first 90% of Fashion-MNIST's training split, with several seeds.
Prints the Frechet distance to the other 10% in a classifier's feature space: lower is
better. The test split is not used.

All rows of a seed train in one process, in alternating turns of a few seconds, so that
drifting machine speed affects all of them equally. `--rows` selects rows.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import statistics
import time
from typing import Any

import quality
import tyro

from msg_modules.common import console

AS_IT_IS = "as it is"


@dataclasses.dataclass(frozen=True)
class Row:
    """A change of the default recipe.

    Attributes:
      recipe: Fields of `TrainConfig` to change.
      model: Fields of `ModelConfig` to change.
    """

    recipe: dict[str, Any] = dataclasses.field(default_factory=dict)
    model: dict[str, Any] = dataclasses.field(default_factory=dict)


ROWS: dict[str, Row] = {
    AS_IT_IS: Row(),
    "where it began": Row({"r1_gamma": 0.05, "beta_1": 0.5}, {"latent_dim": 64}),
    "R1 0.05": Row({"r1_gamma": 0.05}),
    "no R1": Row({"r1_gamma": 0.0}),
    "R1 5": Row({"r1_gamma": 5.0}),
    "R1 every step": Row({"penalty_interval": 1}),
    "relativistic, R1": Row({"loss": "relativistic"}),
    "relativistic, R1 and R2": Row({"loss": "relativistic", "r2_gamma": 0.5}),
    "hinge": Row({"loss": "hinge"}),
    "batch 32": Row({"batch_size": 32}),
    "batch 128": Row({"batch_size": 128}),
    "learning rates halved": Row(
        {"generator_learning_rate": 5e-4, "discriminator_learning_rate": 5e-4}
    ),
    "learning rates doubled": Row(
        {"generator_learning_rate": 2e-3, "discriminator_learning_rate": 2e-3}
    ),
    "beta1 0.5": Row({"beta_1": 0.5}),
    "no average": Row({"ema_half_life": 0}),
    "average of 20,000 images": Row({"ema_half_life": 20_000}),
    "bfloat16": Row({"precision": "bfloat16"}),
    "augmented": Row({"augment": True}),
    "no class labels": Row(model={"conditional": False}),
    "latents of 32": Row(model={"latent_dim": 32}),
    "latents of 64": Row(model={"latent_dim": 64}),
}


@dataclasses.dataclass(frozen=True)
class Args:
    """Flags of the benchmark."""

    minutes: float = 3.0
    """Training time of each row, in minutes."""

    seeds: tuple[int, ...] = (0, 1)
    """Seeds of weights, latents and image order."""

    num_images: int | None = None
    """Number of training images. Default: all 54,000."""

    turn: float = 10.0
    """Duration of a turn, in seconds."""

    rows: tuple[str, ...] = ()
    """Names of the rows to train. Default: all."""

    output: pathlib.Path = pathlib.Path("output/benchmarks")
    """Output directory for `recipe.json` and the classifier."""


def main() -> None:
    """Trains all rows and prints the table."""
    args = tyro.cli(Args, description=__doc__)
    unknown = set(args.rows) - set(ROWS)
    if unknown:
        console.fail(f"rows has {sorted(unknown)}; they must be among {list(ROWS)}.")
        raise SystemExit(2)
    console.quiet_libraries()
    args.output.mkdir(parents=True, exist_ok=True)
    images = quality.load_images()
    judge = quality.Judge(images, images.validation, args.output / "classifier")
    console.say(f"classifier: {judge.classifier.info}")
    # The classifier always sees all images, so that distances are comparable.
    some = slice(args.num_images)
    examples = dataclasses.replace(
        images.train,
        images=images.train.images[some],
        labels=images.train.labels[some],
    )
    names = args.rows or tuple(ROWS)
    results: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for seed in args.seeds:
        for name, result in _train_all(names, seed, examples, judge, args).items():
            results[name].append(result)
            text = json.dumps(results, indent=2)
            (args.output / "recipe.json").write_text(text + "\n")
    _print(results, judge, args)


def _train_all(
    names: tuple[str, ...], seed: int, examples, judge: quality.Judge, args: Args
) -> dict[str, dict[str, float]]:
    import ours

    from msg_modules.configs import ModelConfig, TrainConfig

    trainings, recipes = {}, {}
    for name in names:
        row = ROWS[name]
        model = ModelConfig(**row.model)
        recipes[name] = dataclasses.replace(TrainConfig(seed=seed), **row.recipe)
        trainings[name] = ours.Training(examples, model, recipes[name])
        trainings[name].run(2)  # traces
    seconds = dict.fromkeys(names, 0.0)
    steps = dict.fromkeys(names, 0)
    budget = 60 * args.minutes
    with console.progress(f"seed {seed}", round(budget * len(names)), 0) as show:
        while min(seconds.values()) < budget:
            for name, training in trainings.items():
                start = time.perf_counter()
                while (spent := time.perf_counter() - start) < args.turn and seconds[
                    name
                ] + spent < budget:
                    training.run(8)
                    steps[name] += 8
                seconds[name] += spent
            show(round(sum(seconds.values())))
    results = {}
    for name, training in trainings.items():
        drawn = quality.draw(
            training.generator,
            training.latent_dim,
            judge.num_images,
            training.classes,
        )
        results[name] = {
            "images": steps[name] * recipes[name].batch_size,
            "distance": judge.distance(drawn),
        }
        console.say(f"seed {seed}  {name}: {results[name]}")
    return results


def _print(
    results: dict[str, list[dict[str, float]]], judge: quality.Judge, args: Args
) -> None:
    import rich.table

    table = rich.table.Table(
        title=f"Frechet distance of {judge.num_images:,} images to the validation"
        f" images after {args.minutes:g} minutes, {len(args.seeds)} seeds",
        title_justify="left",
    )
    table.add_column("", no_wrap=True)
    for column in ("distance", "per seed", "images"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, seen in results.items():
        distances = [result["distance"] for result in seen]
        table.add_row(
            name,
            f"{statistics.mean(distances):.2f}",
            " ".join(f"{distance:.2f}" for distance in distances),
            f"{statistics.mean(result['images'] for result in seen):,.0f}",
        )
    console.console.print(table)


if __name__ == "__main__":
    main()
