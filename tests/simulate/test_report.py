import numpy as np

from app.simulate.recording import Recording, Truth
from app.simulate.report import HEADINGS, Played, cells, found_of, rows, to_json


def played(part: str, label: str, version: int, *, labelled: bool) -> Played:
    t = np.arange(3000) / 10
    truth = (Truth(10, 20, "a"), Truth(40, 50, "b"))
    values = np.zeros((3000, 1), np.float32)
    recording = Recording("d", part, ("x",), 10.0, t, values, truth)
    said = {"label": label, "model_version": version}
    event = {"onset_seq": 101, "offset_seq": 201, "prediction": said}
    return Played(recording, (found_of(event, recording),), labelled)


def test_rows_tell_labelled_parts_from_the_others_and_versions_apart():
    got = rows(
        [
            played("s1", "a", 1, labelled=True),
            played("s2", "a", 2, labelled=False),
            played("s2", "b", 3, labelled=False),
        ]
    )
    lines = {(r.what, r.version): r.score for r in got}
    assert lines["not labelled", "2"].accuracy == 1
    assert lines["not labelled", "3"].accuracy == 0
    assert lines["not labelled", "all"].accuracy == 0.5
    assert lines["labelled", "all"].f1 == 2 / 3
    assert lines["part s2", "all"].true == 4


def test_every_row_has_a_cell_for_every_heading():
    got = rows([played("s1", "a", 1, labelled=True)])
    assert {len(cells(row)) for row in got} == {len(HEADINGS)}
    assert to_json(got)[-1]["f1"] == 2 / 3


def test_an_event_without_prediction_is_found_but_not_named():
    one = played("s1", "a", 1, labelled=True)
    event = {"onset_seq": 101, "offset_seq": 201, "prediction": None}
    found = found_of(event, one.recording)
    assert (found.start, found.end, found.label) == (10.0, 20.0, None)
    assert rows([Played(one.recording, (found,), labelled=False)])[0].version == "none"
