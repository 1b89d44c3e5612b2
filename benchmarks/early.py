"""How early an onset is said, and how often it came to nothing.

    python -m benchmarks.early FOLDER [FOLDER ...]

Recordings with events.csv go through `Stream` in messages of a tenth of a second, as a
device would send them.  Of every onset that is announced: how long after the onset that
it names, and, where its event is a true one, how long after the true onset.  Times are
those of readings: the network and the service add theirs (`benchmarks.latency`).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from app.detection import Stream
from app.domain import Channel, DetectorVersion, Event, Onset, Profile, Readings
from app.domain.overlap import match
from app.simulate.recordings import read_folder

KINDS = ("energy", "mahalanobis", "sta_lta", "regimes")


def play(recording, kind):
    """Return announced (onset, said at), events and the number of retractions."""
    rate = recording.rate_hz
    channels = tuple(Channel(name) for name in recording.channels)
    profile = Profile("benchmark", channels, rate)
    version = DetectorVersion(1, "benchmark", {"kind": kind})
    stream = Stream(profile, version, recording.device, "b")
    step = max(1, round(rate / 10))
    announced, events, retracted = {}, [], 0
    values, times = recording.values, recording.t
    for at in range(0, len(times), step):
        rows = slice(at, at + step)
        for said in stream.receive(Readings(at + 1, values[rows], times[rows])):
            if isinstance(said, Onset):
                announced[said.event] = (said.onset_seq, stream.next_seq - 1)
            elif isinstance(said, Event):
                events.append(said)
            else:
                retracted += 1
    return announced, events, retracted


def main(arguments=None):
    """Print one line a folder and kind."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    asked = parser.parse_args(arguments)
    print(
        f"{'folder':14}{'kind':13}{'onsets':>7}{'own p50':>9}{'p95':>7}"
        f"{'true p50':>10}{'p95':>7}{'open then':>11}{'retracted':>11}{'/h':>7}"
    )
    for folder in asked.folders:
        recordings = read_folder(folder)
        for kind in KINDS:
            own, late, still, n, retracted, hours = [], [], [], 0, 0, 0.0
            for one in recordings:
                announced, events, nothing = play(one, kind)
                rate = one.rate_hz
                n += len(announced)
                retracted += nothing
                hours += len(one.t) / rate / 3600
                own += [(said - onset) / rate for onset, said in announced.values()]
                truth = [(t.start - one.t[0], t.end - one.t[0]) for t in one.truth]
                spans = [
                    ((e.onset_seq - 1) / rate, (e.offset_seq - 1) / rate)
                    for e in events
                ]
                for i, j in match(truth, spans):
                    if events[j].id not in announced:
                        still.append(False)
                        continue
                    said = announced[events[j].id][1] / rate
                    late.append(said - truth[i][0])
                    still.append(said < truth[i][1])
            p = lambda xs, q: float(np.percentile(xs, q)) if xs else float("nan")  # noqa: E731
            share = float(np.mean(still)) if still else float("nan")
            print(
                f"{folder.name:14}{kind:13}{n:7}{p(own, 50):8.2f}s{p(own, 95):6.2f}s"
                f"{p(late, 50):9.2f}s{p(late, 95):6.2f}s{share:11.0%}"
                f"{retracted:11}{retracted / hours:7.1f}"
            )


if __name__ == "__main__":
    main(sys.argv[1:])
