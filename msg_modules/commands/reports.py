"""`msg-gan evaluate`, `msg-gan report` and `msg-gan runs`."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import webbrowser
from typing import Any

from msg_modules.commands import outputs
from msg_modules.common import console, files
from msg_modules.common.errors import RunError
from msg_modules.configs import EvaluateConfig


def evaluate(
    model: pathlib.Path,
    run: pathlib.Path,
    output: pathlib.Path | None = None,
    num_images: int | None = None,
    num_seeds: int | None = None,
    seed: int | None = None,
    accuracy_score: bool = False,
    force: bool = False,
) -> None:
    """Evaluates any generator, including one that this project did not train.

    Args:
      model: SavedModel with the signatures of a pushed one, or a serving directory.
      run: Pipeline root of a run that has evaluated a generator; its test images,
        classifier and thresholds are used.
      output: JSON file to write the results to.
      num_images: Images to generate per seed. Default: the run's setting.
      num_seeds: Number of seeds to evaluate; the spread over them is the error bar.
        Default: the run's setting.
      seed: First of these seeds. Default: the run's setting.
      accuracy_score: Also train classifiers on generated and on real images, and
        compare their test accuracies; takes minutes.
      force: Overwrite an existing file.
    """
    given = {"num_images": num_images, "num_seeds": num_seeds, "seed": seed}
    settings: dict[str, Any] = {k: v for k, v in given.items() if v is not None}
    settings["accuracy_score"] = accuracy_score
    dataclasses.replace(EvaluateConfig(), **settings)  # Validates before slow imports.
    if output:
        outputs.check_free(output, force)
    from msg_modules.metrics import summary
    from msg_modules.runs import judging

    found = judging.evaluate(model, run, settings)
    for line in summary.lines(found):
        console.say(line)
    verdict = "; ".join(found["reasons"]) or "meets all thresholds"
    console.say(f"{found['lineage']['model']}: {verdict}.")
    if output:
        with outputs.writing(output):
            files.write_whole(output, json.dumps(found, indent=2) + "\n")


def report(run: pathlib.Path, browser: bool = True) -> None:
    """Opens the report of a run's newest evaluation.

    Args:
      run: Pipeline root of a run that has evaluated a generator.
      browser: Open the report in a browser; its path is printed either way.
    """
    from msg_modules.runs import layout

    page = layout.newest_evaluation(run) / layout.REPORT_FILE
    if not page.is_file():
        raise RunError(
            f"There is no report {str(page)!r}; delete its directory and rerun the"
            " pipeline."
        )
    console.say(str(page))
    if browser:
        webbrowser.open(page.absolute().as_uri())


def runs(root: pathlib.Path = pathlib.Path("output")) -> None:
    """Lists all evaluated generators, from ML Metadata.

    Args:
      root: A pipeline root, or a directory of pipeline roots.
    """
    from msg_modules.runs import layout, table

    console.show_table(table.table(layout.pipeline_roots(root)))
