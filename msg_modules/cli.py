"""The command `msg-gan`: pictures of data, training and generator; training alone."""

from __future__ import annotations

import contextlib
import json
import pathlib
import sys
import webbrowser
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

import tyro

from msg_modules import console, files, interruption
from msg_modules.configs import EvaluateConfig, ModelConfig, TrainConfig
from msg_modules.errors import ConfigError, Interrupted, RunError

if TYPE_CHECKING:
    import PIL.Image

app = tyro.extras.SubcommandApp()

Scale = Literal["all", "7", "14", "28"]
_SCALES: tuple[Scale, ...] = ("7", "14", "28")
_DEFAULT_MODEL, _DEFAULT_TRAIN = ModelConfig(), TrainConfig()
_MAX_SHEET_IMAGES = 10_000
_SMALLEST_SEED, _LARGEST_SEED = -(2**63), 2**63 - 1


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status.

    Args:
      argv: The arguments; None for the process's own.
    """
    console.quiet_libraries()
    try:
        app.cli(
            prog="msg-gan",
            description="Pictures and figures of a pushed generator, and pictures of"
            " what it learned from; training without a pipeline, on several machines"
            " if need be.",
            args=sys.argv[1:] if argv is None else list(argv),
        )
    except ConfigError as e:
        console.fail(str(e))
        return 2
    except RunError as e:
        console.fail(str(e))
        return 1
    except Interrupted as e:
        console.fail("Interrupted. Give the same command again: it goes on.")
        return 128 + e.signal_number
    return 0


@app.command
def sample(
    model: pathlib.Path,
    output: pathlib.Path,
    num_images: int = 64,
    seed: int = 0,
    scale: Scale = "28",
    force: bool = False,
) -> None:
    """Draws images with a pushed generator.

    Args:
      model: Serving directory, of which the newest version is taken, or one version.
      output: The picture to write, such as grid.png.
      num_images: How many images, at most 10000.
      seed: The same seed draws the same images.
      scale: Size of the images, or all three below each other.
      force: Overwrite an existing picture.
    """
    _check_count(num_images)
    if not _SMALLEST_SEED <= seed <= _LARGEST_SEED:
        raise ConfigError(f"seed is {seed}; it must fit into 64 bits.")
    _check_output(output, force)
    from msg_modules import sampling, sheets

    generator = sampling.load_generator(model)
    pyramid = generator.sample(num_images, seed)
    if scale != "all":
        pyramid = (pyramid[_SCALES.index(scale)],)
    columns = min(num_images, max(8, round(num_images**0.5)))
    _save(sheets.pyramid_sheet(pyramid, columns), output)


@app.command
def real(
    run: pathlib.Path, output: pathlib.Path, num_images: int = 40, force: bool = False
) -> None:
    """Draws training images at all three scales, as the discriminator sees them.

    Args:
      run: Pipeline root of a run that has passed Transform.
      output: The picture to write, such as real.png.
      num_images: How many images, at most 10000.
      force: Overwrite an existing picture.
    """
    _check_count(num_images)
    _check_output(output, force)
    splits = sorted(
        run.glob("Transform/transformed_examples/*/Split-train"),
        key=lambda path: int(path.parent.name),
    )
    if not splits:
        raise ConfigError(
            f"There are no transformed examples in {str(run)!r}; name the pipeline root"
            " of a run that has passed Transform."
        )
    from msg_modules import dataset, sheets

    pyramids = dataset.load_pyramids(f"{splits[-1]}/*")
    _save(sheets.pyramid_sheet([scale[:num_images] for scale in pyramids]), output)


@app.command
def evaluate(
    model: pathlib.Path,
    run: pathlib.Path,
    output: pathlib.Path | None = None,
    num_images: int | None = None,
    num_seeds: int = 3,
    seed: int = 0,
    force: bool = False,
) -> None:
    """Measures a generator, also one that this project did not train.

    Args:
      model: A SavedModel with the signatures of a pushed one, or a serving directory.
      run: Pipeline root of a run that has judged a generator: its test images, its
        classifier and its thresholds are used.
      output: A JSON file to write all figures to.
      num_images: Images to draw for each seed. Default: as many as there are test
        images, at most 10000.
      num_seeds: Draw and measure this many times; the spread is the confidence.
      seed: The first of these seeds.
      force: Overwrite an existing file.
    """
    settings = EvaluateConfig(num_images=num_images, num_seeds=num_seeds, seed=seed)
    if output and output.exists() and not force:
        raise ConfigError(f"{str(output)!r} exists; --force overwrites it.")
    from msg_modules.metrics import runs, summary

    found = runs.evaluate(model, run, settings)
    for line in summary.lines(found):
        console.say(line)
    verdict = "; ".join(found["reasons"]) or "nothing speaks against blessing it"
    console.say(f"{found['lineage']['model']}: {verdict}.")
    if output:
        with _writing(output):
            files.write_whole(output, json.dumps(found, indent=2) + "\n")


@app.command
def report(run: pathlib.Path, browser: bool = True) -> None:
    """Opens the report of the generator that a run judged last.

    Args:
      run: Pipeline root of a run that has judged a generator.
      browser: Open it in the browser; its path is printed in any case.
    """
    from msg_modules.evaluations import REPORT_FILE, newest_evaluation

    page = newest_evaluation(run) / REPORT_FILE
    console.say(str(page))
    if browser:
        webbrowser.open(page.absolute().as_uri())


@app.command
def runs(root: pathlib.Path = pathlib.Path("output")) -> None:
    """Lists the generators that were judged, from ML Metadata.

    Args:
      root: A pipeline root, or a directory of several.
    """
    from msg_modules import evaluations, evaluations_table

    name = evaluations.STORE_FILE
    stores = sorted({*root.glob(name), *root.glob(f"*/{name}")})
    if not stores:
        raise ConfigError(
            f"There is no {name} in {str(root)!r} or below; name the pipeline"
            " root of a run, or the directory of several."
        )
    console.show_table(evaluations_table.table(store.parent for store in stores))


@app.command
def timelapse(run: pathlib.Path, output: pathlib.Path, force: bool = False) -> None:
    """Animates the sheets that a training draws from the same latents.

    Args:
      run: Pipeline root, or the `--train.checkpoint-dir` of a training; the
        training may still go on.
      output: The GIF to write, such as training.gif.
      force: Overwrite an existing GIF.
    """
    _check_output(output, force, animated=True)
    places = ("samples", "checkpoints/*/samples", "latest/samples")
    directories = [path for place in places for path in run.glob(place)]
    if not directories:
        raise ConfigError(
            f"There are no samples in {str(run)!r}; name the pipeline root of a run"
            " that has begun its training."
        )
    from msg_modules import sheets

    newest = max(directories, key=lambda path: path.stat().st_mtime)
    frames = sheets.read_steps(newest)
    if not frames:
        raise ConfigError(f"The training in {str(newest)!r} has drawn no sheet yet.")
    with _writing(output):
        sheets.save_animation(frames, output)
    console.say(f"{output}: {len(frames)} sheets")


@app.command
def train(
    examples: pathlib.Path,
    output: pathlib.Path,
    model: ModelConfig = _DEFAULT_MODEL,
    train: TrainConfig = _DEFAULT_TRAIN,
) -> None:
    """Trains on what Transform wrote; in several processes where TF_CONFIG names them.

    The same command goes on from the last checkpoint of an interrupted training.

    Args:
      examples: Directory of transformed examples, such as one named Split-train.
      output: Directory that gets the generator in `model/`, pictures and statistics
        in `run/`, and unfinished training in `checkpoints/`.
      model: The networks.
      train: The recipe.
    """
    from msg_modules import cluster

    cluster.find(train.strategy)
    if not examples.is_dir():
        raise ConfigError(
            f"examples is {str(examples)!r}, which is no directory; name one that"
            " Transform wrote, such as"
            " output/quickstart/Transform/transformed_examples/5/Split-train."
        )
    from msg_modules import distribution, trainer

    distribution.configure_devices(train.strategy, train.replicas)
    with interruption.caught():
        trainer.train_and_export(
            model,
            train,
            [f"{examples}/*"],
            model_dir=str(output / "model"),
            run_dir=str(output / "run"),
            checkpoint_root=str(output / "checkpoints"),
        )


def _check_count(num_images: int) -> None:
    if not 0 < num_images <= _MAX_SHEET_IMAGES:
        raise ConfigError(
            f"num_images is {num_images}; it must be between 1 and {_MAX_SHEET_IMAGES}."
        )


def _check_output(output: pathlib.Path, force: bool, animated: bool = False) -> None:
    from PIL import Image

    Image.init()
    formats = Image.SAVE_ALL if animated else Image.SAVE
    if Image.EXTENSION.get(output.suffix.lower()) not in formats:
        example = "training.gif" if animated else "grid.png"
        raise ConfigError(
            f"output is {str(output)!r}; its name must end as in {example}."
        )
    if output.exists() and not force:
        raise ConfigError(f"{str(output)!r} exists; --force overwrites it.")


@contextlib.contextmanager
def _writing(output: pathlib.Path) -> Iterator[None]:
    try:
        yield
    except OSError as e:
        raise RunError(f"{str(output)!r} cannot be written: {e}") from e


def _save(picture: PIL.Image.Image, output: pathlib.Path) -> None:
    from msg_modules import sheets

    with _writing(output):
        sheets.save_image(picture, output)
    console.say(f"{output}: {picture.width} x {picture.height} pixels")
