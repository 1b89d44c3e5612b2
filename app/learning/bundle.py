"""A version in one document, with its detector and profile: it runs without a service.

The same `Stream` and `classify` as live: readings that pass through a bundle give the
events, windows and answers that the service gives, bit for bit.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

import msgspec

from app.detection import Stream
from app.domain import Channel, DetectorVersion, Event, Json, Prediction, Profile
from app.errors import ArtefactError, OnsetError
from app.features import Session
from app.learning.card import ModelCard
from app.learning.model import Model, classify

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Bundle:
    """What finds events and names them."""

    profile: Profile
    detector: DetectorVersion
    model: Model

    def stream(self, device: str, boot: str) -> Stream:
        """Begin a stream of a device; it gives the events."""
        return Stream(self.profile, self.detector, device, boot)

    def session(self) -> Session:
        """Begin to note what a stream's events were; nothing is known of the device."""
        return Session(self.profile.rate_hz)

    def classify(self, event: Event, session: Session | None = None) -> Prediction:
        """Name an event that the stream gave, and note it in its session.

        The events of a stream must come in their order; without a session nothing is
        known of those before.
        """
        known = None if session is None else session.context(event.onset_seq)
        said = classify(
            self.model, event.window, event.pre_roll, event.post_roll, known
        )
        if session is not None:
            session.note(event, said)
        return said


def pack(
    profile: Profile, detector: DetectorVersion, version: int, card: Json, onnx: bytes
) -> Json:
    """Return the document of a bundle; `read` reads its JSON."""
    return {
        "format": FORMAT,
        "profile": {
            "name": profile.name,
            "channels": [{"name": c.name, "unit": c.unit} for c in profile.channels],
            "rate_hz": profile.rate_hz,
            "max_hold_seconds": profile.max_hold_seconds,
            "max_gap_seconds": profile.max_gap_seconds,
        },
        "detector": {"number": detector.number, "settings": dict(detector.settings)},
        "model": {
            "version": version,
            "card": dict(card),
            "onnx": base64.b64encode(onnx).decode(),
        },
    }


def read(document: bytes) -> Bundle:
    """Read a bundle, and test its model as a service does before it serves one.

    Raises
    ------
    ArtefactError
        If it is none, of another format, damaged, or made for other feature code.
    """
    try:
        said = msgspec.json.decode(document)
        if said["format"] != FORMAT:
            raise ArtefactError(
                f"a bundle of format {said['format']!r}, this version reads {FORMAT}"
            )
        of, model = said["profile"], said["model"]
        channels = tuple(Channel(c["name"], c["unit"]) for c in of["channels"])
        profile = Profile(
            of["name"],
            channels,
            of["rate_hz"],
            max_hold_seconds=of["max_hold_seconds"],
            max_gap_seconds=of["max_gap_seconds"],
        )
        detector = DetectorVersion(
            said["detector"]["number"], of["name"], said["detector"]["settings"]
        )
        onnx = base64.b64decode(model["onnx"], validate=True)
        card, version = ModelCard.from_json(model["card"]), int(model["version"])
        Stream(profile, detector, "test", "test")
    except ArtefactError:
        raise
    except (
        msgspec.MsgspecError,
        binascii.Error,
        OnsetError,
        KeyError,
        TypeError,
        ValueError,
    ) as error:
        raise ArtefactError(f"no whole bundle: {error!r}") from error
    return Bundle(profile, detector, Model.load(onnx, card, version))
