"""The command `msg-gan`: pictures of data, training and generator; training alone."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import signal
import sys
import webbrowser
from collections.abc import Sequence
from typing import Any

import tyro

from msg_modules.commands import convert, draw, explore, model_info, outputs, serve
from msg_modules.common import console, files, signals
from msg_modules.common.errors import ConfigError, Interrupted, RunError
from msg_modules.configs import EvaluateConfig, ModelConfig, TrainConfig

app = tyro.extras.SubcommandApp()
for _command in (
    draw.sample,
    draw.interpolate,
    draw.sheet,
    draw.real,
    draw.timelapse,
    model_info.info,
    convert.export,
    serve.serve,
    explore.explore,
):
    app.command(_command)

_DEFAULT_MODEL, _DEFAULT_TRAIN = ModelConfig(), TrainConfig()


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
    except (OSError, RunError) as e:
        # The file system's own words, such as `File name too long`, are clear.
        console.fail(str(e))
        return 1
    except Interrupted as e:
        console.fail("Interrupted. Give the same command again; a training goes on.")
        return 128 + e.signal_number
    except KeyboardInterrupt:
        console.fail("Interrupted; nothing was written.")
        return 128 + signal.SIGINT
    return 0


@app.command
def evaluate(
    model: pathlib.Path,
    run: pathlib.Path,
    output: pathlib.Path | None = None,
    num_images: int | None = None,
    num_seeds: int | None = None,
    seed: int | None = None,
    force: bool = False,
) -> None:
    """Measures a generator, also one that this project did not train.

    Args:
      model: A SavedModel with the signatures of a pushed one, or a serving directory.
      run: Pipeline root of a run that has judged a generator: its test images, its
        classifier and its thresholds are used.
      output: A JSON file to write all figures to.
      num_images: Images to draw for each seed. Default: as the run did.
      num_seeds: Draw and measure this many times; the spread is the confidence.
        Default: as the run did.
      seed: The first of these seeds. Default: as the run did.
      force: Overwrite an existing file.
    """
    given = {"num_images": num_images, "num_seeds": num_seeds, "seed": seed}
    settings: dict[str, Any] = {k: v for k, v in given.items() if v is not None}
    dataclasses.replace(EvaluateConfig(), **settings)  # Checks them at once.
    if output:
        outputs.check_free(output, force)
    from msg_modules.metrics import summary
    from msg_modules.runs import judging

    found = judging.evaluate(model, run, settings)
    for line in summary.lines(found):
        console.say(line)
    verdict = "; ".join(found["reasons"]) or "nothing speaks against blessing it"
    console.say(f"{found['lineage']['model']}: {verdict}.")
    if output:
        with outputs.writing(output):
            files.write_whole(output, json.dumps(found, indent=2) + "\n")


@app.command
def report(run: pathlib.Path, browser: bool = True) -> None:
    """Opens the report of the generator that a run judged last.

    Args:
      run: Pipeline root of a run that has judged a generator.
      browser: Open it in the browser; its path is printed in any case.
    """
    from msg_modules.runs import layout

    page = layout.newest_evaluation(run) / layout.REPORT_FILE
    console.say(str(page))
    if browser:
        webbrowser.open(page.absolute().as_uri())


@app.command
def runs(root: pathlib.Path = pathlib.Path("output")) -> None:
    """Lists the generators that were judged, from ML Metadata.

    Args:
      root: A pipeline root, or a directory of several.
    """
    from msg_modules.runs import layout, table

    console.show_table(table.table(layout.pipeline_roots(root)))


@app.command
def train(
    examples: pathlib.Path,
    output: pathlib.Path,
    model: ModelConfig = _DEFAULT_MODEL,
    train: TrainConfig = _DEFAULT_TRAIN,
    checkpoints: pathlib.Path | None = None,
    code: str = "",
) -> None:
    """Trains on what Transform wrote; in several processes where TF_CONFIG names them.

    The same command goes on from the last checkpoint of an interrupted training.

    Args:
      examples: Directory of transformed examples, such as one named Split-train.
      output: Directory that gets the generator in `model/`, pictures and statistics
        in `run/`.
      model: The networks.
      train: The recipe.
      checkpoints: Directory that keeps unfinished training. Default: `checkpoints`
        in the output.
      code: A name for the version of the code; another one begins another training.
    """
    from msg_modules.training import cluster

    cluster.find(train.strategy, train.workers)
    if not examples.is_dir():
        raise ConfigError(
            f"examples is {str(examples)!r}, which is no directory; name one that"
            " Transform wrote, such as"
            " output/quickstart/Transform/transformed_examples/5/Split-train."
        )
    from msg_modules.training import distribution, run_fn

    distribution.configure_devices(train.strategy, train.replicas)
    with signals.caught():
        run_fn.train_and_export(
            model,
            train,
            [f"{examples}/*"],
            model_dir=str(output / "model"),
            run_dir=str(output / "run"),
            checkpoint_root=str(checkpoints or output / "checkpoints"),
            code=code,
        )
