"""Pictures of what the default detector gets wrong: signals, spans, score, thresholds.

    python -m benchmarks.detection.pictures OUTPUT [FOLDER ...] [--worst 3] [--noise]

Of each folder the recordings with the lowest event F1, the two minutes with most errors
of each; with --noise, the first false events of every noise of the benchmark.  One SVG
a picture, of which `OUTPUT/README.md` is the list.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.detection import baseline, build, restless
from app.detection.energy_block import LEVEL, LONG, MEMORY
from app.domain.overlap import match
from benchmarks.detection.noise import CHANNELS, RATE_HZ, streams
from benchmarks.detection.quality import detect, recordings

WIDE, LANE, SCORE, GAP = 960, 26, 150, 22
LEFT, RIGHT = 90, 10
SECONDS = 120.0
"""Of a recording, so much is shown at most."""
MOST_LANES = 9
LOOKS_HZ = 10.0
LONGEST = 50.0
"""Scores above are drawn there."""
TRUE, HIT, FALSE, LINE = "#1b7f4d", "#2a78d6", "#c0392b", "#555555"


@dataclass(frozen=True)
class Trace:
    """What a detector went by, at seconds from the beginning.

    Parameters
    ----------
    at : (n,) seconds that the score is about
    score, on, off : (n,)
    restless : (n,) bool
    """

    at: np.ndarray
    score: np.ndarray
    on: np.ndarray
    off: np.ndarray
    restless: np.ndarray


def trace(values, rate_hz, first=0):
    """Run the default detector, and write down what it goes by from `first` on."""
    detector = build({"kind": "energy"}, rate_hz, values.shape[1])
    step = max(1, round(rate_hz / LOOKS_HZ))
    values = np.ascontiguousarray(values, np.float64)
    if first:
        detector.update(values[:first])
    floats, ints = detector._floats, detector._ints
    late = 0.3  # seconds, half of the smoothing
    rows = []
    for at in range(first, len(values), step):
        detector.update(values[at : at + step])
        score = max(floats[LEVEL], floats[MEMORY + restless.AWAY])
        rows.append(
            (
                min(at + step, len(values)) / rate_hz - late,
                score,
                floats[baseline.THRESHOLD_ON],
                floats[baseline.THRESHOLD_OFF],
                ints[LONG + restless.RESTLESS],
            )
        )
    return Trace(*np.array(rows).T)


def worst_part(truth, found, length):
    """Return the beginning of the two minutes with most errors."""
    pairs = match(truth, found)
    wrong = [a for i, (a, _) in enumerate(truth) if i not in {i for i, _ in pairs}]
    wrong += [a for j, (a, _) in enumerate(found) if j not in {j for _, j in pairs}]
    starts = np.arange(0.0, max(length - SECONDS, 0.0) + 1.0, 10.0)
    counts = [sum(a <= one < a + SECONDS for one in wrong) for a in starts]
    return float(starts[int(np.argmax(counts))])


def draw(title, t, values, truth, found, seen, begin, end):
    """Return one picture as SVG; all times in seconds."""
    lanes = min(values.shape[1], MOST_LANES)
    high = 60 + lanes * LANE + GAP + SCORE + 30
    scale = (WIDE - LEFT - RIGHT) / (end - begin)

    def x(seconds):
        return LEFT + (np.clip(seconds, begin, end) - begin) * scale

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDE}" height="{high}" '
        'font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{LEFT}" y="16" font-size="13">{title}</text>',
    ]
    hits = {j for _, j in match(truth, found)}
    top, bottom = 26, high - 24
    bars = [(TRUE, "true", top, truth, lambda _: TRUE)]
    bars.append((LINE, "found", top + 12, found, lambda j: HIT if j in hits else FALSE))
    for colour, name, y, spans, of in bars:
        out.append(f'<text x="8" y="{y + 9}" fill="{colour}">{name}</text>')
        for j, (a, b) in enumerate(spans):
            if b > begin and a < end:
                wide = max(float(x(b) - x(a)), 1.0)
                out.append(
                    f'<rect x="{x(a):.1f}" y="{y}" width="{wide:.1f}" height="9" '
                    f'fill="{of(j)}"/>'
                    f'<rect x="{x(a):.1f}" y="{y}" width="{wide:.1f}" '
                    f'height="{bottom - y}" fill="{of(j)}" opacity="0.07"/>'
                )
    part = (t >= begin) & (t < end)
    for c in range(lanes):
        middle = 60 + (c + 0.5) * LANE
        out.append(f'<text x="8" y="{middle + 4:.0f}">channel {c + 1}</text>')
        out.append(lane(x(t[part]), values[part, c], middle))
    y0 = 60 + lanes * LANE + GAP
    out.append(f'<text x="8" y="{y0 + 12}">score (log)</text>')
    part = (seen.at >= begin) & (seen.at < end)
    for name, colour, dash in (
        ("score", "#222222", ""),
        ("on", FALSE, ' stroke-dasharray="4 3"'),
        ("off", "#c98500", ' stroke-dasharray="2 3"'),
    ):
        line = np.log(np.clip(getattr(seen, name)[part], 0.3, LONGEST) / 0.3)
        y = y0 + SCORE * (1 - line / np.log(LONGEST / 0.3))
        points = " ".join(
            f"{a:.1f},{b:.0f}" for a, b in zip(x(seen.at[part]), y, strict=True)
        )
        out.append(f'<polyline points="{points}" fill="none" stroke="{colour}"{dash}/>')
    if seen.restless[part].any():
        share = seen.restless[part].mean()
        out.append(f'<text x="8" y="{y0 + 28}">restless {share:.0%}</text>')
    out.append(
        f'<text x="8" y="{y0 + 44}" fill="{FALSE}">on</text>'
        f'<text x="30" y="{y0 + 44}" fill="#c98500">off</text>'
    )
    for seconds in np.linspace(begin, end, 7):
        out.append(
            f'<text x="{x(seconds) - 8:.0f}" y="{high - 8}">{seconds:.0f}</text>'
        )
    return "\n".join([*out, "</svg>", ""])


def lane(x, values, middle):
    """Draw a channel as the least and greatest value of every second pixel."""
    if not len(values):
        return ""
    low, high = np.nanquantile(values, (0.005, 0.995))
    scale = (LANE - 4) / max(float(high - low), 1e-12)
    shown = middle - (np.clip(values, low, high) - (low + high) / 2) * scale
    shown = np.where(np.isfinite(shown), shown, middle)
    pixels = np.unique(x.astype(int) // 2 * 2, return_index=True)
    points = []
    for pixel, begin, end in zip(
        pixels[0], pixels[1], [*pixels[1][1:], len(x)], strict=True
    ):
        part = shown[begin:end]
        points.append(f"{pixel},{part.min():.0f} {pixel},{part.max():.0f}")
    return f'<polyline points="{" ".join(points)}" fill="none" stroke="{LINE}" />'


def of_folder(folder, worst):
    """Yield (name, what it shows, picture) of the worst recordings of a folder."""
    scored = []
    for name, t, values, truth in recordings(folder):
        values = np.where(np.isfinite(values), values, np.float32(0))
        found = detect(t, values, {"kind": "energy"})
        hit = len(match(truth, found))
        f1 = 2 * hit / max(len(truth) + len(found), 1)
        scored.append((f1, len(truth), name, t, values, truth, found))
    for f1, n, name, t, values, truth, found in sorted(scored, key=lambda s: s[:3])[
        :worst
    ]:
        rate = 1 / float(np.median(np.diff(t)))
        begin = worst_part(truth - t[0], found - t[0], float(t[-1] - t[0]))
        end = min(begin + SECONDS, float(t[-1] - t[0]))
        title = f"{folder.name} {name}: F1 {f1:.2f} of {n} events"
        seen = trace(values, rate)
        picture = draw(
            title, t - t[0], values, truth - t[0], found - t[0], seen, begin, end
        )
        yield f"{folder.name}-{name}", title, picture


def of_noise(most=2):
    """Yield pictures of the first false events of every noise."""
    n = int(24 * 3600 * RATE_HZ)
    for n_channels in CHANNELS:
        for name, values in streams(n, n_channels, seed=1):
            spans = build({"kind": "energy"}, RATE_HZ, n_channels).update(values)
            for span in spans[:most]:
                first = max(span.onset - int(60 * RATE_HZ), 0)
                last = min(span.offset + int(60 * RATE_HZ), n)
                t = np.arange(first, last) / RATE_HZ
                at = span.onset / RATE_HZ
                title = (
                    f"{name}, {n_channels} channels: {len(spans)} false events in "
                    f"24 hours, one at {at:.0f} s"
                )
                seen = trace(values[:last], RATE_HZ, first)
                found = np.array([(s.onset, s.offset) for s in spans]) / RATE_HZ
                shown = values[first:last]
                none = np.zeros((0, 2))
                picture = draw(title, t, shown, none, found, seen, t[0], t[-1])
                safe = "".join(c if c.isalnum() else "-" for c in name)
                yield f"noise-{safe}-{n_channels}-{at:.0f}", title, picture


def main(arguments=None):
    """Write the pictures and their list."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--worst", type=int, default=3)
    parser.add_argument("--noise", action="store_true")
    chosen = parser.parse_args(arguments)
    chosen.output.mkdir(parents=True, exist_ok=True)
    lines = ["# What the default detector gets wrong", ""]
    lines += ["True spans green, found ones blue, false ones red.", ""]
    made = [one for folder in chosen.folders for one in of_folder(folder, chosen.worst)]
    made += of_noise() if chosen.noise else []
    for name, title, picture in made:
        (chosen.output / f"{name}.svg").write_text(picture)
        lines += [title, "", f"![{title}]({name}.svg)", ""]
        print(title)
    (chosen.output / "README.md").write_text("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
