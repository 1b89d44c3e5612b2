"""Our quick forest is scikit-learn's, to the last bit."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesClassifier

from app.learning.forest import ExtraTrees

RANDOM = np.random.default_rng(3)
ROWS = RANDOM.normal(size=(60, 12)).astype(np.float32)
CLASSES = RANDOM.integers(0, 4, 60) * 2 + 1
WEIGHTS = RANDOM.uniform(0.2, 3.0, 60)


@pytest.mark.parametrize("given", [None, WEIGHTS])
@pytest.mark.parametrize("by_class", [None, {1: 1.0, 3: 2.5, 5: 1.0, 7: 0.3}])
@pytest.mark.parametrize("most", [5, 1000])
def test_trees_and_answers_are_those_of_scikit_learn(given, by_class, most):
    how = {"n_estimators": 7, "max_leaf_nodes": most, "class_weight": by_class}
    theirs = ExtraTreesClassifier(**how, random_state=11)
    ours = clone(ExtraTrees(**how, random_state=11))
    theirs.fit(ROWS, CLASSES, sample_weight=given)
    ours.fit(ROWS, CLASSES, sample_weight=given)
    for mine, other in zip(ours.estimators_, theirs.estimators_, strict=True):
        assert mine.random_state == other.random_state
        for name in ("feature", "threshold", "children_left", "value"):
            a, b = getattr(mine.tree_, name), getattr(other.tree_, name)
            assert a.tobytes() == b.tobytes(), name
    other_rows = ROWS[::2] + np.float32(0.1)
    said = ours.predict_proba(other_rows)
    assert said.tobytes() == theirs.predict_proba(other_rows).tobytes()
    again = pickle.loads(pickle.dumps(ours))
    assert again.predict_proba(other_rows).tobytes() == said.tobytes()
    assert (ours.predict(other_rows) == theirs.predict(other_rows)).all()


def test_what_is_no_number_is_refused():
    rows = ROWS.copy()
    rows[3, 3] = np.nan
    with pytest.raises(ValueError, match="finite"):
        ExtraTrees(2, max_leaf_nodes=5, random_state=1).fit(rows, CLASSES)
