"""Every promise has its evidence, or says that it has none yet."""

import os
import re
from functools import cache
from itertools import chain, combinations
from pathlib import Path

import pytest

from tests.docs.pages import CHECKOUT

FOLDER = CHECKOUT / "docs" / "evidence"
THEMES = sorted(page.stem for page in FOLDER.glob("*.md") if page.stem != "README")
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
ID = re.compile(r"[A-Z]\d?-\d\d[a-d]?")


@cache
def read(theme: str) -> str:
    return (FOLDER / f"{theme}.md").read_text()


def rows(theme: str) -> set[str]:
    """Ids that a page answers for: `S0-01..03` are three."""
    (line,) = re.findall(r"^Rows: (.+)\.$", read(theme), re.M)
    found = set()
    for part in line.split(", "):
        first, _, last = part.partition("..")
        family, number = first.split("-")
        if last:
            numbers = range(int(number), int(last) + 1)
            found |= {f"{family}-{n:02}" for n in numbers}
        else:
            found.add(first)
    return found


def table(theme: str) -> list[tuple[set[str], str]]:
    """Rows of the table: their ids, and what shows it."""
    lines = re.findall(r"^\| (?!promise|---).+ \| (.+) \| (.+) \|$", read(theme), re.M)
    return [(set(ids.split(", ")), shown) for ids, shown in lines]


def missing(theme: str) -> list[tuple[set[str], str]]:
    """Lines under *Not yet*: their ids, and what is missing."""
    _, _, after = read(theme).partition("\n## Not yet\n")
    lines = re.findall(r"^- ([^:]+): (.+)$", after, re.M)
    assert len(lines) == after.count("\n- "), f"a line of {theme} has no ids"
    return [(set(ids.split(", ")), what) for ids, what in lines]


def ids(found: list[tuple[set[str], str]]) -> set[str]:
    return set(chain.from_iterable(one for one, _ in found))


@pytest.mark.parametrize("theme", THEMES)
def test_evidence_names_tests_that_exist(theme: str) -> None:
    named = NAMED.findall(read(theme))
    assert len(named) > 20
    absent = [
        f"{file}::{name}"
        for file, name in named
        if not (CHECKOUT / file).is_file()
        or f"def {name}(" not in (CHECKOUT / file).read_text()
    ]
    assert absent == []


@pytest.mark.parametrize("theme", THEMES)
def test_evidence_forgets_no_row_and_invents_none(theme: str) -> None:
    said = ids(table(theme)) | ids(missing(theme))
    assert all(ID.fullmatch(one) for one in said)
    assert said == rows(theme)


@pytest.mark.parametrize("theme", THEMES)
def test_evidence_is_a_test_or_a_measurement(theme: str) -> None:
    bare = [
        row
        for row, shown in table(theme)
        if not re.search(r"`tests/|`python -m benchmarks\.|`onset |contracts", shown)
    ]
    assert bare == []


def test_evidence_answers_for_a_row_on_one_page_only() -> None:
    twice = [rows(one) & rows(other) for one, other in combinations(THEMES, 2)]
    assert set(chain.from_iterable(twice)) == set()
    assert len(set(chain.from_iterable(map(rows, THEMES)))) > 250


def test_evidence_knows_every_promise_of_the_project() -> None:
    named = os.environ.get("ONSET_SHARED")
    page = (Path(named) if named else CHECKOUT.parent / "shared") / "FEATURES.md"
    if not page.is_file():
        pytest.skip(f"no list of promises at {page}; ONSET_SHARED names its folder")
    promised = set(re.findall(rf"^\| ({ID.pattern}) \|", page.read_text(), re.M))
    assert set(chain.from_iterable(map(rows, THEMES))) == promised
