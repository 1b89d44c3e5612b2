from pathlib import Path

import pytest

from app.errors import ArtefactError
from app.store.artefacts import Artefacts

DATA = b"model" * 100


@pytest.fixture
def artefacts(tmp_path: Path) -> Artefacts:
    return Artefacts(tmp_path / "models")


def test_what_was_put_comes_back_and_nothing_else_lies_there(artefacts: Artefacts):
    digest = artefacts.put(DATA)
    assert artefacts.put(DATA) == digest
    assert artefacts.get(digest) == DATA
    assert [path.name for path in artefacts.folder.iterdir()] == [digest]


def test_every_truncation_and_bit_flip_is_refused(artefacts: Artefacts):
    digest = artefacts.put(DATA)
    path = artefacts.folder / digest
    flipped = [
        DATA[:i] + bytes([DATA[i] ^ 1]) + DATA[i + 1 :] for i in range(0, 500, 50)
    ]
    for damaged in [*(DATA[:n] for n in range(0, 500, 50)), *flipped, DATA + b"x"]:
        path.write_bytes(damaged)
        with pytest.raises(ArtefactError, match="damaged"):
            artefacts.get(digest)
    artefacts.put(DATA)  # putting it again heals it
    assert artefacts.get(digest) == DATA


@pytest.mark.parametrize("name", ["../secret", "", "a" * 63, "A" * 64, "a" * 64 + "\n"])
def test_what_is_no_digest_is_refused(artefacts: Artefacts, name: str):
    with pytest.raises(ArtefactError, match="no SHA-256"):
        artefacts.get(name)


def test_missing_files_folders_and_links_are_refused(
    artefacts: Artefacts, tmp_path: Path
):
    digest = artefacts.put(DATA)
    path = artefacts.folder / digest
    path.unlink()
    with pytest.raises(ArtefactError, match="missing"):
        artefacts.get(digest)
    (tmp_path / "elsewhere").write_bytes(DATA)
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArtefactError, match="missing"):
        artefacts.get(digest)
    path.unlink()
    path.mkdir()
    with pytest.raises(ArtefactError, match="missing"):
        artefacts.get(digest)


def test_a_put_that_fails_leaves_nothing(
    artefacts: Artefacts, monkeypatch: pytest.MonkeyPatch
):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("app.store.artefacts.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        artefacts.put(DATA)
    assert list(artefacts.folder.iterdir()) == []
