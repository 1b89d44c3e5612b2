"""Every test that the evidence names is there."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import CHECKOUT

EVIDENCE = sorted((CHECKOUT / "docs" / "evidence").glob("*.md"))
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


@pytest.mark.parametrize("page", EVIDENCE, ids=lambda page: page.stem)
def test_evidence_names_tests_that_exist(page: Path) -> None:
    named = NAMED.findall(page.read_text())
    assert named
    missing = [
        f"{file}::{name}"
        for file, name in named
        if not (CHECKOUT / file).is_file()
        or f"def {name}(" not in (CHECKOUT / file).read_text()
    ]
    assert missing == []
