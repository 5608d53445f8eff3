"""Which changes of the training recipe help? `uv run benchmarks/recipe.py`.

Trains `compact` with its default recipe, and with one change per row, on the first 90%
of Fashion-MNIST's training split, with several seeds: all for the same time or, on a
machine that is busy, for the same number of images. Measures the Frechet distance to
the other 10% in a classifier's feature space, and in that of a network that learned
rotations without labels: lower is better. The test split is not used.

With `--minutes`, all rows of a seed train in one process, in alternating turns of a few
seconds, so that drifting machine speed affects all of them equally.

Results are added to `benchmarks/recipe.json`; rows that have one under the same
conditions are not trained again. `--render` writes the tables of `docs/recipe.md`.
`recipe_rows.py` lists the rows.
"""

from __future__ import annotations

import dataclasses
import datetime
import pathlib
import subprocess
import sys

import recipe_results
import recipe_tables
import tyro
from recipe_results import Conditions, Result
from recipe_rows import ROWS

from msg_modules.common import console, files, outcome
from msg_modules.configs import require

_MINUTES = 3.0
_DOCUMENT = pathlib.Path("docs/recipe.md")


@dataclasses.dataclass(frozen=True)
class Args:
    """Flags of the benchmark."""

    minutes: float | None = None
    """Training time of each row, in minutes. Default: 3, unless --images is set."""

    images: int | None = None
    """Number of images that each row sees in training, instead of --minutes."""

    seeds: tuple[int, ...] = (0, 1)
    """Seeds of weights, latents and image order."""

    num_images: int | None = None
    """Number of training images. Default: all 54,000."""

    turn: float = 10.0
    """Duration of a turn, in seconds."""

    rows: tuple[str, ...] = ()
    """Names of the rows to train. Default: all."""

    again: bool = False
    """Train rows that have a result, too, and replace it."""

    results: pathlib.Path = pathlib.Path("benchmarks/recipe.json")
    """File to which results are added."""

    render: bool = False
    """Train nothing, but write the tables of docs/recipe.md from the results."""

    output: pathlib.Path = pathlib.Path("output/benchmarks")
    """Output directory for the classifiers, which are trained if they are not there;
    distances of different classifiers cannot be compared."""

    verbose: bool = False
    """Show all logs, and the traceback of an error."""

    def __post_init__(self) -> None:
        require(
            self.minutes is None or self.images is None,
            "images",
            self.images,
            "left out with --minutes",
        )
        for name in ("minutes", "images", "num_images", "turn"):
            value = getattr(self, name)
            require(value is None or value > 0, name, value, "above 0")
        for name in self.rows:
            require(name in ROWS, "rows", name, f"one of {list(ROWS)}")


def main() -> None:
    """Trains the rows that have no result, and prints the table."""
    args = tyro.cli(Args, description=__doc__)
    if args.render:
        _render(args.results)
        return
    import quality
    import recipe_training
    import timing

    args.output.mkdir(parents=True, exist_ok=True)
    args.results.parent.mkdir(parents=True, exist_ok=True)
    images = quality.load_images()
    judges = [
        quality.Judge(images, images.validation, args.output / name, task)
        for name, task in (
            ("classifier", "classes"),
            ("rotation_classifier", "rotations"),
        )
    ]
    for judge in judges:
        console.say(f"classifier: {judge.classifier.info}")
    # The classifiers always see all images, so that distances are comparable.
    some = slice(args.num_images)
    examples = dataclasses.replace(
        images.train,
        images=images.train.images[some],
        labels=images.train.labels[some],
    )
    conditions = Conditions(
        budget=args.images or args.minutes or _MINUTES,
        unit="images" if args.images else "minutes",
        num_images=len(examples),
        labels=True,
        machine=timing.describe_machine(),
        classifier=judges[0].classifier.info.content_hash[:8],
    )
    commit = _commit()
    for seed, names in _missing(args, conditions).items():
        for name, contender in recipe_training.train(
            names, seed, conditions, examples, args.turn
        ):
            drawn = contender.draw(judges[0].num_images)
            distance, rotations = (judge.distance(drawn) for judge in judges)
            result = Result(
                row=name,
                settings=ROWS[name].settings(),
                seed=seed,
                conditions=conditions,
                images=contender.images,
                distance=round(distance, 4),
                rotations=round(rotations, 4),
                commit=commit,
                date=datetime.date.today().isoformat(),
            )
            recipe_results.add(args.results, result)
            console.say(f"seed {seed}  {name}: {distance:.2f}, {rotations:.2f}")
    _print(recipe_results.load(args.results), conditions)


def _render(results: pathlib.Path) -> None:
    text = files.read_text(_DOCUMENT, "The document", "run this in the repository")
    found = recipe_results.load(results)
    require(len(found) > 0, "results", str(results), "a file with results")
    rendered = recipe_tables.render(text, found)
    files.write_whole(_DOCUMENT, rendered)
    console.say(f"{_DOCUMENT} has the results of {results}.")


def _missing(args: Args, conditions: Conditions) -> dict[int, list[str]]:
    """Returns the rows to train, by seed."""
    names, seeds = dict.fromkeys(args.rows or ROWS), dict.fromkeys(args.seeds)
    found = [] if args.again else recipe_results.load(args.results)
    missing = recipe_results.missing(found, names, seeds, conditions)
    left, total = sum(map(len, missing.values())), len(names) * len(seeds)
    if left < total:
        rest = f"training the other {left}" if left else "nothing is left to train"
        console.say(
            f"{args.results} has {total - left} of {total} results; {rest}. --again"
            " trains all."
        )
    return missing


def _commit() -> str | None:
    """Returns the version of the code; None outside a Git repository."""

    def ask(*arguments: str) -> str:
        command = ["git", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        changed = ask("status", "--porcelain", "--", "msg_modules", "benchmarks/*.py")
        return ask("rev-parse", "--short", "HEAD") + ("-dirty" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _print(results: list[Result], conditions: Conditions) -> None:
    import rich.table

    table = rich.table.Table(
        title=recipe_tables.describe(conditions), title_justify="left"
    )
    lines = recipe_tables.rank(recipe_tables.by_conditions(results)[conditions])
    rows = [line.cells() for line in lines]
    for head in rows[0]:
        table.add_column(head, no_wrap=True)
    for row in rows:
        table.add_row(*row.values())
    console.show_table(table)


if __name__ == "__main__":
    raise SystemExit(outcome.run(main, sys.argv[1:]))
