"""Commands about evaluated generators: measure one, open its report, list all."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import webbrowser
from typing import Any

from msg_modules.commands import outputs
from msg_modules.common import console, files
from msg_modules.configs import EvaluateConfig


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


def runs(root: pathlib.Path = pathlib.Path("output")) -> None:
    """Lists the generators that were judged, from ML Metadata.

    Args:
      root: A pipeline root, or a directory of several.
    """
    from msg_modules.runs import layout, table

    console.show_table(table.table(layout.pipeline_roots(root)))
