"""Features are computed in one place, so training and serving cannot drift apart."""

from pathlib import Path

import app

PACKAGE = Path(app.__file__).parent


def test_only_the_learning_room_extracts_features():
    users = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if "features.extract(" in path.read_text() and path.parent.name != "features"
    }
    # `main` compiles the kernel at the start, on zeros
    assert users == {"learning/dataset.py", "learning/model.py", "main.py"}


def test_only_the_trainer_reads_what_could_carry_code():
    readers = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if any(word in path.read_text() for word in ("joblib.load", "pickle.load"))
    }
    assert readers == {"learning/incremental.py"}
