"""Features are computed in one place, so training and serving cannot drift apart."""

from pathlib import Path

import app
from app.api import classify as rest
from app.learning import classify, model
from app.service.jobs import classify_later, endtoend, reask, rerun, shadowing
from app.service.streams import answers

PACKAGE = Path(app.__file__).parent


USERS = {
    "learning/dataset.py": "training",
    "learning/model.py": "serving: live, by REST, in replays",
    "service/jobs/skew.py": "compares what was served with what is computed now",
    "service/labelling.py": "tells apart what to label next",
    "learning/why.py": "asks the model again with parts of a window left out",
    "service/explaining.py": "finds the labelled events that are nearest",
    "service/clustering.py": "finds unknown events that are alike",
    "service/foreign.py": "tries an imported model on stored windows",
    "service/jobs/remembering.py": "sums up what is known of a device",
    "main.py": "compiles the kernels at the start",
}


def test_every_place_that_extracts_features_is_known():
    users = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if "features.extract(" in path.read_text() and path.parent.name != "features"
    }
    assert users == set(USERS)


def test_only_the_trainer_reads_what_could_carry_code():
    readers = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if any(word in path.read_text() for word in ("joblib.load", "pickle.load"))
    }
    assert readers == {"learning/incremental.py"}


def test_every_path_answers_with_the_function_that_a_program_imports():
    """`from app.learning import classify` needs no server, and servers ask it."""
    for place in (answers, rest, classify_later, shadowing, reask, rerun, endtoend):
        assert place.classify is classify, place.__name__
    assert classify is model.classify
