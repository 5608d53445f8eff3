"""Results of `benchmarks/recipe.py`: kept whole, not measured twice, in the docs."""

from __future__ import annotations

import dataclasses
import pathlib
import resource

import pytest
import recipe
import recipe_results
import recipe_rows
import recipe_tables
from recipe_results import Conditions, Result
from recipe_rows import ROWS, Row

from msg_modules.common.errors import ConfigError

REPOSITORY = pathlib.Path(__file__).parents[2]
CONDITIONS = Conditions(3.0, "minutes", 54_000, True, "CPU, 2 cores, with AMX", "ab12")
DOCUMENT = """# Results

<!-- results: 54,000 training images -->
<!-- end of results -->

The rest.
"""


def _result(row: str = "R1 5", seed: int = 0, **changes: object) -> Result:
    result = Result(
        row=row,
        settings=ROWS[row].settings(),
        seed=seed,
        conditions=CONDITIONS,
        images=1000,
        distance=5.0,
        rotations=None,
        commit="abc",
        date="2026-11-29",
    )
    return dataclasses.replace(result, **changes)  # type: ignore[arg-type]


@pytest.fixture
def committed() -> list[Result]:
    return recipe_results.load(REPOSITORY / "benchmarks" / "recipe.json")


@pytest.fixture
def page() -> str:
    return (REPOSITORY / "docs" / "recipe.md").read_text("utf-8")


def test_the_page_has_the_committed_results(committed: list[Result], page: str):
    assert committed
    assert recipe_tables.render(page, committed) == page


def test_a_new_row_with_its_result_adds_a_line(
    committed: list[Result], page: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(ROWS, "three times R1", Row({"r1_gamma": 1.5}))
    measured = dataclasses.replace(
        committed[0],
        row="three times R1",
        settings=ROWS["three times R1"].settings(),
        distance=0.125,
    )

    after = recipe_tables.render(page, [*committed, measured])

    before = page.splitlines()
    (line,) = [line for line in after.splitlines() if line not in before]
    assert line.startswith("| three times R1 | 0.12 |")
    assert [each for each in after.splitlines() if each != line] == before


def test_only_results_of_the_same_conditions_share_a_table():
    others = [
        dataclasses.replace(CONDITIONS, budget=2.5),
        dataclasses.replace(CONDITIONS, budget=1_234_567, unit="images"),
        dataclasses.replace(CONDITIONS, labels=False),
        dataclasses.replace(CONDITIONS, machine="CPU, 1 cores, with AMX"),
        dataclasses.replace(CONDITIONS, classifier="cd34"),
    ]
    results = [
        _result("as it is", 0, distance=7.0, rotations=0.5),
        _result("R1 5", 0, distance=5.0, rotations=1.0),
        _result("R1 5", 1, distance=6.0, rotations=2.0),
        *(_result("R1 5", 0, conditions=each) for each in others),
    ]

    text = recipe_tables.render(DOCUMENT, results)

    assert text.count("| change |") == 6
    assert "After 1,234,567 images each, on CPU" in text
    assert "After 3 minutes each without class labels, on CPU" in text
    assert (
        "| change | distance | per seed | rotations | images seen |\n"
        "|---|---|---|---|---|\n"
        "| R1 5 | 5.50 | 5.00, 6.00 | 1.50 | 1,000 |\n"
        "| **as it is** | **7.00** | 7.00, - | 0.50 | 1,000 |\n"
    ) in text
    assert text.endswith("<!-- end of results -->\n\nThe rest.\n")
    assert recipe_tables.render(text, results) == text


def test_results_without_a_place_are_told():
    few = _result(conditions=dataclasses.replace(CONDITIONS, num_images=1000))

    with pytest.raises(ConfigError, match="results: 1,000 training images"):
        recipe_tables.render(DOCUMENT, [_result(), few])


def test_a_changed_row_is_not_taken_for_the_old(monkeypatch: pytest.MonkeyPatch):
    old = [_result("R1 5"), _result("batch 32")]
    monkeypatch.setitem(ROWS, "R1 5", Row({"r1_gamma": 5.5}))
    monkeypatch.setitem(ROWS, "halved", ROWS["batch 32"])
    monkeypatch.delitem(ROWS, "batch 32")

    missing = recipe_results.missing(old, ["R1 5", "halved"], [0], CONDITIONS)
    text = recipe_tables.render(DOCUMENT, [*old, _result("R1 5", distance=4.0)])

    assert missing == {0: ["R1 5"]}
    assert "| R1 5 | 4.00 |" in text
    assert "| R1 5, as of 2026-11-29 | 5.00 |" in text
    # The same recipe by another name.
    assert "| halved | 5.00 |" in text


def test_only_what_is_missing_is_trained(tmp_path: pathlib.Path):
    path = tmp_path / "recipe.json"
    for result in (_result("R1 5", 0), _result("R1 5", 1), _result("batch 32", 1)):
        recipe_results.add(path, result)
    found = recipe_results.load(path)
    names = ["R1 5", "batch 32"]

    missing = recipe_results.missing(found, names, [0, 1, 2], CONDITIONS)

    assert missing == {0: ["batch 32"], 1: [], 2: names}
    elsewhere = dataclasses.replace(CONDITIONS, machine="another CPU")
    assert recipe_results.missing(found, names, [1], elsewhere) == {1: names}


def test_a_result_replaces_that_of_the_same_training(tmp_path: pathlib.Path):
    path = tmp_path / "recipe.json"
    recipe_results.add(path, _result())
    recipe_results.add(path, _result(seed=1))
    recipe_results.add(path, _result(distance=4.0, commit="def"))

    found = recipe_results.load(path)

    assert [(r.seed, r.distance, r.commit) for r in found] == [
        (1, 5.0, "abc"),
        (0, 4.0, "def"),
    ]


def test_fields_that_a_result_lacks_had_their_defaults(tmp_path: pathlib.Path):
    path = tmp_path / "recipe.json"
    settings = ROWS["R1 5"].settings()
    del settings["train.augment"]
    recipe_results.save(path, [_result(settings=settings)])

    (found,) = recipe_results.load(path)

    assert recipe_rows.name_of(found.settings) == "R1 5"


def test_an_interrupted_write_leaves_the_old_file_whole(tmp_path: pathlib.Path):
    path = tmp_path / "recipe.json"
    recipe_results.add(path, _result())
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            recipe_results.add(path, _result(seed=1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_damaged_file_is_told(tmp_path: pathlib.Path):
    path = tmp_path / "recipe.json"
    for content in ('[{"row": "R1 5"}]', "{", '{"as it is": []}'):
        path.write_text(content)
        with pytest.raises(ConfigError, match="does not hold results"):
            recipe_results.load(path)


def test_all_rows_are_valid_and_different():
    settings = [row.settings() for row in ROWS.values()]

    assert all(settings.count(each) == 1 for each in settings)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"minutes": 1.0, "images": 64}, "images is 64; it must be left out"),
        ({"images": 0}, "images is 0"),
        ({"minutes": -1.0}, "minutes is -1.0"),
        ({"rows": ("R1 7",)}, "rows is 'R1 7'; it must be one of .'as it is', "),
    ],
)
def test_wrong_flags_are_told(flags: dict[str, object], words: str):
    with pytest.raises(ConfigError, match=words):
        recipe.Args(**flags)
