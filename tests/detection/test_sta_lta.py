import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from app.detection import build

from .signals import bursts

SETTINGS = {
    "kind": "sta_lta",
    "on": 3.0,
    "off": 1.5,
    "sta_seconds": 0.5,
    "lta_seconds": 5.0,
    "min_seconds": 0.0,
    "merge_seconds": 0.0,
    "max_seconds": 1000.0,
}


def ratios(values, short, long):
    """The textbook, one reading at a time."""
    centre = values[0].copy()
    sta = np.zeros(values.shape[1])
    lta = np.zeros(values.shape[1])
    out = []
    for i, x in enumerate(values):
        slow = max(1 / long, 1 / (i + 1))
        fast = max(1 / short, slow)
        away = x - centre
        centre = centre + away * slow
        sta = sta + (away**2 - sta) * fast
        lta = lta + (away**2 - lta) * slow
        out.append(np.mean(sta / np.maximum(lta, 1e-300)) if i >= long else 0.0)
    return np.array(out)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    n_channels=st.integers(1, 4),
    factor=st.sampled_from([0.125, 2.0, 1024.0]),
)
def test_doubling_the_values_changes_no_span(seed, n_channels, factor):
    values = bursts(seed, 600, n_channels)
    found = []
    for scaled in (values, values * factor):
        detector = build(SETTINGS, 20.0, n_channels)
        found.append(detector.update(scaled) + detector.flush())
    assert found[0] == found[1]


def test_it_agrees_with_the_textbook():
    values = bursts(11, 800, 3)
    detector = build(SETTINGS, 20.0, 3)
    found = detector.update(values) + detector.flush()
    ratio = ratios(values, 10, 100)
    assert found
    for span in found:
        assert ratio[span.onset : span.offset].max() >= 3.0
        assert span.peak == ratio[span.onset : span.offset].max()
        assert ratio[span.offset] <= 1.5 or span.offset == len(values)
    outside = np.ones(len(values), bool)
    for span in found:
        outside[span.onset : span.offset] = False
    assert (ratio[outside] < 3.0).all()
