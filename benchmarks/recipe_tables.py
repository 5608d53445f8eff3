"""Tables of the results of `recipe.py`, best first, and where they stand in a document.

Only results of the same conditions are in the same table. The document has the tables
of all results with the same number of training images between two comments, such as
`<!-- results: 54,000 training images -->` and `<!-- end of results -->`.
"""

from __future__ import annotations

import dataclasses
import re
import statistics
from collections.abc import Sequence

import recipe_rows
from recipe_results import Conditions, Result

from msg_modules.common.errors import ConfigError

_END = "<!-- end of results -->"
_BLOCK = re.compile(
    r"<!-- results: (?P<number>[\d,]+) training images -->\n.*?" + re.escape(_END),
    re.DOTALL,
)
_MISSING = "-"


@dataclasses.dataclass(frozen=True)
class Line:
    """A row of a table.

    Attributes:
      name: Name of the row of `ROWS`.
      is_default: Whether this is the default recipe.
      distance: Mean over the seeds.
      per_seed: Distance for each seed of the table; None if it was not measured.
      rotations: Mean over the seeds; None if it was not measured for all.
      images: Mean number of images seen.
    """

    name: str
    is_default: bool
    distance: float
    per_seed: tuple[float | None, ...]
    rotations: float | None
    images: float

    def cells(self) -> dict[str, str]:
        """Returns the cells by the heads of their columns."""
        seeds = (_MISSING if d is None else f"{d:.2f}" for d in self.per_seed)
        return {
            "change": self.name,
            "distance": f"{self.distance:.2f}",
            "per seed": ", ".join(seeds),
            "rotations": _MISSING
            if self.rotations is None
            else f"{self.rotations:.2f}",
            "images seen": f"{self.images:,.0f}",
        }


def by_conditions(results: Sequence[Result]) -> dict[Conditions, list[Result]]:
    """Groups results that can be compared, longer training first."""
    groups: dict[Conditions, list[Result]] = {}
    for result in results:
        groups.setdefault(result.conditions, []).append(result)

    def rank(conditions: Conditions) -> tuple[object, ...]:
        where = (conditions.machine, conditions.classifier or "")
        return not conditions.labels, conditions.unit, -conditions.budget, *where

    return {conditions: groups[conditions] for conditions in sorted(groups, key=rank)}


def rank(results: Sequence[Result]) -> list[Line]:
    """Summarizes results of the same conditions, best first."""
    seeds = sorted({result.seed for result in results})
    rows: dict[frozenset[tuple[str, object]], dict[int, Result]] = {}
    for result in results:
        recipe = frozenset(result.settings.items())
        rows.setdefault(recipe, {})[result.seed] = result
    lines = []
    for of_seeds in rows.values():
        found = list(of_seeds.values())
        name = _label(found[0])
        rotations = [r.rotations for r in found if r.rotations is not None]
        lines.append(
            Line(
                name,
                name == recipe_rows.AS_IT_IS,
                statistics.mean(r.distance for r in found),
                tuple(of_seeds[s].distance if s in of_seeds else None for s in seeds),
                statistics.mean(rotations) if len(rotations) == len(found) else None,
                statistics.mean(r.images for r in found),
            )
        )
    return sorted(lines, key=lambda line: line.distance)


def _label(result: Result) -> str:
    """The row that has the result's settings now, also if that has another name."""
    name = recipe_rows.name_of(result.settings)
    return name or f"{result.row}, as of {result.date}"


def describe(conditions: Conditions) -> str:
    """Describes conditions in a line."""
    labels = "" if conditions.labels else " without class labels"
    judge = f", classifier {conditions.classifier}" if conditions.classifier else ""
    return (
        f"After {conditions.budget:,.9g} {conditions.unit} each{labels}, on"
        f" {conditions.machine}{judge}"
    )


def render(document: str, results: Sequence[Result]) -> str:
    """Replaces the tables of a document.

    Args:
      document: Markdown, with the comments described above.
      results: All results.

    Raises:
      ConfigError: If there is no place for some results.
    """
    tables: dict[int, list[str]] = {}
    for conditions, found in by_conditions(results).items():
        table = f"{describe(conditions)}:\n\n{_markdown(rank(found))}\n"
        tables.setdefault(conditions.num_images, []).append(table)

    def fill(block: re.Match[str]) -> str:
        start = block[0].splitlines()[0]
        found = tables.pop(int(block["number"].replace(",", "")), [])
        return "\n".join([start, "", *found, _END])

    rendered = _BLOCK.sub(fill, document)
    if tables:
        number = next(iter(tables))
        raise ConfigError(
            f"The document has no place for results with {number:,} training images;"
            f" add the lines '<!-- results: {number:,} training images -->' and"
            f" '{_END}'."
        )
    return rendered


def _markdown(lines: Sequence[Line]) -> str:
    rows = [line.cells() for line in lines]
    # No column of a figure that no row has.
    heads = [head for head in rows[0] if any(row[head] != _MISSING for row in rows)]
    for line, row in zip(lines, rows, strict=True):
        if line.is_default:
            row.update({head: f"**{row[head]}**" for head in ("change", "distance")})
    table = [heads, *([row[head] for head in heads] for row in rows)]
    first, *others = (f"| {' | '.join(cells)} |" for cells in table)
    return "\n".join([first, "|" + "---|" * len(heads), *others])
