"""Windows whose class has one cause: a channel, and a part of the event."""

from collections.abc import Callable
from uuid import NAMESPACE_OID, uuid5

import numpy as np

from app.domain import Channel, Float32Array, LabelledWindow, Profile, utc

PRE, POST = 25, 10
SHARE = 0.25
"""Of the event, that shows its class."""
KINDS = ("burst", "tone", "level")


class Planted:
    """A kind of device with a few classes, each with its own cause.

    Everything happens amid an activity that all events have in common.
    """

    def __init__(self, kind: str, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        n_channels = int(self.random.integers(3, 8))
        n_classes = int(self.random.integers(2, 4))
        self.kind = kind
        self.profile = Profile(
            "planted", tuple(Channel(f"c{i}") for i in range(n_channels)), 50.0
        )
        chosen = self.random.permutation(n_channels)[:n_classes]
        self.causes = {
            f"k{i}": (int(channel), float(self.random.uniform(0, 1 - SHARE)))
            for i, channel in enumerate(chosen)
        }
        self.seed = seed

    def window(self, label: str) -> tuple[Float32Array, int, int, int]:
        """Make a window; with the channel, begin and end of its cause."""
        random = self.random
        n, width = int(random.integers(80, 160)), self.profile.n_channels
        values = random.normal(0, 0.3, (PRE + n + POST, width))
        values[PRE : PRE + n] += random.normal(0, 1.0, (n, width))
        channel, place = self.causes[label]
        first, last = PRE + int(place * n), PRE + int((place + SHARE) * n)
        at = np.arange(last - first)
        make: dict[str, Callable[[], object]] = {
            "burst": lambda: random.normal(0, 3, len(at)),
            "tone": lambda: 2.5 * np.sin(1.5 * at + random.uniform(0, 6)),
            "level": lambda: 3.0,
        }
        values[first:last, channel] += make[self.kind]()
        return values.astype(np.float32), channel, first, last

    def rows(self, each: int) -> list[LabelledWindow]:
        """Make labelled windows, so many of each class."""
        labels = [label for _ in range(each) for label in self.causes]
        return [
            LabelledWindow(
                uuid5(NAMESPACE_OID, f"{self.seed}/{i}"),
                "d",
                utc(i),
                self.window(label)[0],
                label,
                PRE,
                POST,
            )
            for i, label in enumerate(labels)
        ]
