"""Console table of the evaluated generators."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable
from typing import Any

import rich.table

from msg_modules.runs import layout
from msg_modules.runs.evaluations import Evaluation, find_evaluations

_NUMBERS = ("images", "Frechet", "precision", "recall", "coverage")


def table(pipeline_roots: Iterable[pathlib.Path]) -> rich.table.Table:
    """Builds a table with a row per evaluated generator, oldest first.

    Args:
      pipeline_roots: Directories with `metadata.sqlite`.
    """
    rows = rich.table.Table(box=None, pad_edge=False)
    rows.add_column("run", no_wrap=True)
    rows.add_column("evaluated (UTC)", overflow="fold")
    rows.add_column("dataset", overflow="fold")
    for name in _NUMBERS:
        rows.add_column(name, justify="right", no_wrap=True)
    rows.add_column("blessed")
    rows.add_column("pushed")
    for root in pipeline_roots:
        for evaluation in find_evaluations(root):
            with layout.explained(evaluation.directory):
                rows.add_row(root.name, *_cells(evaluation))
    return rows


def _cells(evaluation: Evaluation) -> Iterable[str]:
    found: dict[str, Any] = evaluation.found
    training, figures = found["training"], found["figures"]
    yield found["judged"][:16].replace("T", " ")
    yield found["dataset"]
    yield f"{training['images']:,}" if training else ""
    main = next(iter(figures), "")
    for name in (main, "precision", "recall", "coverage"):
        yield f"{figures[name]['value']:.3g}" if figures else ""
    yield "yes" if found["blessed"] else "no"
    yield evaluation.pushed.name if evaluation.pushed else ""
