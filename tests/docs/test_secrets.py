"""No key, password or private file is in the checkout or in the image."""

import re
import subprocess

import pytest

from tests.docs.pages import CHECKOUT

SECRETS = re.compile(
    r"ons_[0-9a-f]{8}_[\w-]{40,}"  # a key of ours, whole
    r"|whsec_[A-Za-z0-9+/]{32,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|\bAKIA[0-9A-Z]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{36,}\b"
    r"|\bpypi-[A-Za-z0-9_-]{50,}\b"
    r"|\bxox[abpr]-[A-Za-z0-9-]{20,}"
)
PRIVATE = re.compile(r"(^|/)(admin\.key|database\.url|\.env|[^/]+\.(pem|p12|dump))$")


@pytest.fixture(scope="module")
def tracked() -> list[str]:
    done = subprocess.run(
        ["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("not a git checkout: what would be published is not known")
    return [name for name in done.stdout.decode().split("\0") if name]


def test_no_secret_is_in_the_checkout(tracked: list[str]) -> None:
    assert len(tracked) > 300
    found = [
        name
        for name in tracked
        if (CHECKOUT / name).is_file()
        and SECRETS.search((CHECKOUT / name).read_bytes().decode("utf-8", "replace"))
    ]
    assert found == []


def test_no_private_file_is_in_the_checkout(tracked: list[str]) -> None:
    assert [name for name in tracked if PRIVATE.search(name)] == []


def test_the_image_copies_named_files_only() -> None:
    ignored = (CHECKOUT / ".dockerignore").read_text().splitlines()
    assert ignored[0] == "*"  # and then what is let in, by name
    lines = (CHECKOUT / "Dockerfile").read_text().splitlines()
    copied = [line.split()[1:] for line in lines if line.startswith("COPY ")]
    assert copied
    assert not [words for words in copied if "." in words or "./" in words[:-1]]
    kept = re.compile(r"^(ARG|ENV) .*(KEY|SECRET|PASSWORD|TOKEN)")
    assert not [line for line in lines if kept.match(line)]


def test_the_search_finds_what_it_must() -> None:
    key = "ons_" + "0f" * 4 + "_" + "a" * 43
    for secret in (key, "-----BEGIN " + "PRIVATE KEY-----", "AKIA" + "A" * 16):
        assert SECRETS.search(f'KEY = "{secret}"')
    for name in ("admin.key", ".onset/admin.key", "deploy/.env", "onset.dump"):
        assert PRIVATE.search(name)
