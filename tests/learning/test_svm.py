"""The support vector machine of all classes against scikit-learn's of each."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.svm import SVC

from app.learning.svm import PENALTY, SHARPNESS, WIDTH, SoftSvm


def test_every_class_is_told_from_all_others_as_by_its_own_machine():
    random = np.random.default_rng(0)
    target = np.repeat([0, 2, 5], [30, 20, 10])
    table = random.normal(0, 1, (60, 4)) + target[:, None]
    asked = random.normal(2, 3, (25, 4))
    fitted = SoftSvm({0: 2.0, 2: 1.0, 5: 0.5}).fit(table, target)
    weight = np.array([{0: 2.0, 2: 1.0, 5: 0.5}[y] for y in target.tolist()])
    decisions = []
    for one in (0, 2, 5):
        mine = target == one
        even = np.where(mine, weight[~mine].sum() / weight[mine].sum(), 1.0)
        machine = SVC(C=PENALTY, gamma=WIDTH / 4)
        machine.fit(table, mine, sample_weight=weight * even)
        decisions.append(machine.decision_function(asked))
    expected = softmax(SHARPNESS * np.array(decisions).T, axis=1)
    assert fitted.predict_proba(asked) == pytest.approx(expected, abs=1e-9)
    assert (fitted.predict(table) == target).mean() > 0.9
