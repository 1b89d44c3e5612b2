"""What the documentation names exists."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from app.cli import COMMANDS
from tests.docs.pages import CHECKOUT, PAGES

MAKEFILE = (CHECKOUT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.M))
CONTRACT = {
    *("run", "test", "install", "producers", "training", "predict"),
    *("check", "fmt", "bench", "docs", "help"),
}
LOCKS = ["requirements.lock", "requirements-dev.lock"]


def test_makefile_has_the_targets_that_were_promised() -> None:
    assert CONTRACT <= TARGETS


@pytest.mark.parametrize(
    ("target", "command"),
    [
        ("run", "up"),
        ("predict", "serve"),
        ("training", "trainer"),
        ("producers", "simulate"),
        ("simulate", "simulate"),
        ("migrate", "db upgrade"),
    ],
)
def test_targets_do_what_commands_of_that_name_do(target: str, command: str) -> None:
    done = subprocess.run(
        ["make", "-n", "-o", ".venv/.installed-dev", target, "ARGS=--flag"],
        cwd=CHECKOUT,
        env={k: v for k, v in os.environ.items() if not k.startswith("MAKE")},
        capture_output=True,
        text=True,
        check=True,
    )
    said = done.stdout.strip().splitlines()[-1].split()
    assert said == [".venv/bin/onset", *command.split(), "--flag"]
    assert command.split()[0] in COMMANDS


def test_every_target_is_in_the_help_of_make() -> None:
    described = set(re.findall(r"^([a-z][a-z-]*):.*## .", MAKEFILE, re.M))
    assert described == TARGETS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_commands_exist(page: Path) -> None:
    named = re.findall(r"(?:^|`)make ([a-z][a-z-]*)", page.read_text(), re.M)
    assert set(named) <= TARGETS


@pytest.mark.parametrize("name", LOCKS)
def test_lock_pins_everything_by_hash_and_names_no_host(name: str) -> None:
    lock = (CHECKOUT / name).read_text()
    entries = re.split(r"\n(?=\S)", lock.strip())
    assert len(entries) > 50
    assert "://" not in lock
    for entry in entries:
        assert re.match(r"[a-z0-9-]+(\[[a-z,]+\])?==\S+ ", entry), entry
        assert "--hash=sha256:" in entry, entry


def test_development_lock_holds_the_same_versions_and_more() -> None:
    pins = [
        set(re.findall(r"^\S+==\S+", (CHECKOUT / name).read_text(), re.M))
        for name in LOCKS
    ]
    assert pins[0] < pins[1]


def test_decisions_are_short_and_numbered() -> None:
    pages = sorted((CHECKOUT / "docs" / "decisions").glob("*.md"))
    numbers = [int(page.name[:4]) for page in pages]
    assert numbers == list(range(1, len(pages) + 1))
