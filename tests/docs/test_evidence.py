"""Every test that the evidence names is there."""

import re

from tests.docs.pages import CHECKOUT

NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def test_evidence_names_tests_that_exist() -> None:
    page = (CHECKOUT / "docs" / "detection-evidence.md").read_text()
    named = NAMED.findall(page)
    assert len(named) > 30
    missing = [
        f"{file}::{name}"
        for file, name in named
        if not (CHECKOUT / file).is_file()
        or f"def {name}(" not in (CHECKOUT / file).read_text()
    ]
    assert missing == []
