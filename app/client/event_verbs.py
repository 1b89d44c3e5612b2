"""What is asked of profiles, devices, events and labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, Unpack

import numpy as np

from app.client import shapes
from app.client.asking import Call, Pages, given, listing, place, verb
from app.client.shapes import EventFilters
from app.domain import Float32Array


class EventVerbs:
    """What was detected, of which devices, and what it is."""

    # Profiles and devices.

    @verb
    def put_profile(
        self, name: str, profile: Mapping[str, Any]
    ) -> Call[shapes.Profile]:
        """Declare a kind of device: at least `channels` and `rate_hz`."""
        return Call("PUT", place("profiles", name), {"json": dict(profile)})

    @verb
    def profile(self, name: str) -> Call[shapes.Profile]:
        """Read a profile."""
        return Call("GET", place("profiles", name))

    @listing
    def profiles(self) -> Pages[shapes.Profile]:
        """Read all profiles."""
        return Pages("/profiles")

    @verb
    def put_device(self, device: str, profile: str) -> Call[shapes.Device]:
        """Register a device."""
        return Call("PUT", place("devices", device), {"json": {"profile": profile}})

    @verb
    def device(self, device: str) -> Call[shapes.Device]:
        """Read a device."""
        return Call("GET", place("devices", device))

    @listing
    def devices(self, *, page: int = 200) -> Pages[shapes.Device]:
        """Read all devices, by id."""
        return Pages("/devices", page)

    @verb
    def pause_device(self, device: str, reason: str) -> Call[shapes.Device]:
        """Take no more readings of a device; it keeps them."""
        said = {"json": {"reason": reason}}
        return Call("POST", place("devices", device, "pause"), said)

    @verb
    def resume_device(self, device: str) -> Call[shapes.Device]:
        """Take readings of a device again."""
        return Call("POST", place("devices", device, "resume"))

    @verb
    def delete_device(self, device: str) -> Call[None]:
        """Delete a device with all its data."""
        return Call("DELETE", place("devices", device))

    @verb
    def send_readings(
        self, /, device: str, boot: str, seq: int, values: Sequence[Any], **more: Any
    ) -> Call[shapes.Acked]:
        """Send readings of a device without a socket; safe to send again.

        Parameters
        ----------
        values : (n_readings, n_channels), array or nested lists; NaN: no value
        **more
            `time`, `gap`, `end`, `profile`, as the route has them.
        """
        array = np.asarray(values, dtype=np.float64)
        rows = [[v if isfinite(v) else None for v in row] for row in array.tolist()]
        said = {"boot": boot, "seq": seq, "values": rows, **more}
        return Call("POST", place("devices", device, "readings"), {"json": said})

    # Events.

    @listing
    def events(
        self, *, page: int = 200, **filters: Unpack[EventFilters]
    ) -> Pages[shapes.Event]:
        """Read all events that the filters of ``GET /events`` let through."""
        return Pages("/events", page, dict(filters))

    @verb
    def event(self, event: str) -> Call[shapes.EventDetail]:
        """Read one event with its predictions and labels."""
        return Call("GET", place("events", event))

    @verb
    def window(self, event: str) -> Call[Float32Array]:
        """Read the raw readings of an event: float32 (n_readings, n_channels)."""
        return Call("GET", place("events", event, "window"), read=_values)

    @verb
    def trace(self, event: str) -> Call[shapes.Trace]:
        """Read which way an event took through the service."""
        return Call("GET", place("events", event, "trace"))

    @verb
    def explanation(
        self, event: str, *, model_version: int | None = None, again: bool = False
    ) -> Call[shapes.Explanation]:
        """Read why an event was given its class; `again`: with the labels of now."""
        asked = given(model_version=model_version, again=again or None)
        return Call("GET", place("events", event, "explanation"), {"params": asked})

    @verb
    def add_event(
        self,
        device: str,
        boot: str,
        onset_seq: int,
        offset_seq: int,
        *,
        label: str | None = None,
    ) -> Call[shapes.Event]:
        """Add an event that the detector missed, cut from the recording."""
        where = {"device": device, "boot": boot}
        span = {"onset_seq": onset_seq, "offset_seq": offset_seq}
        return Call("POST", "/events", {"json": where | span | given(label=label)})

    @verb
    def move_event(
        self,
        event: str,
        *,
        onset_seq: int | None = None,
        offset_seq: int | None = None,
    ) -> Call[shapes.Event]:
        """Move the boundaries of an event."""
        said = given(onset_seq=onset_seq, offset_seq=offset_seq)
        return Call("PATCH", place("events", event), {"json": said})

    @verb
    def import_events(
        self, content: bytes, content_type: str = "application/x-ndjson"
    ) -> Call[shapes.Imported]:
        """Hand over history to begin from, as NDJSON or Parquet."""
        headers = {"Content-Type": content_type}
        return Call("POST", "/events/import", {"content": content, "headers": headers})

    # Labels.

    @verb
    def label(self, event: str, label: str) -> Call[shapes.LabelOfHistory]:
        """Say what an event is."""
        said = {"json": {"label": label}}
        return Call("POST", place("events", event, "labels"), said)

    @verb
    def labels(self, labels: Mapping[str, str]) -> Call[int]:
        """Say what many events are, all or none; return how many were accepted."""
        rows = [{"event": event, "label": label} for event, label in labels.items()]
        return Call("POST", "/labels", {"json": {"labels": rows}}, _accepted)

    @listing
    def label_history(self, event: str) -> Pages[shapes.LabelOfHistory]:
        """Read everything that was said of an event, oldest first."""
        return Pages(place("events", event, "labels"))

    @listing
    def queue(self, profile: str, *, limit: int | None = None) -> Pages[shapes.Queued]:
        """Read which events are most worth a label now, each with its reason."""
        return Pages("/labels/queue", limit, {"profile": profile})

    @listing
    def disputes(
        self, profile: str, *, limit: int | None = None
    ) -> Pages[shapes.Dispute]:
        """Read which events different people call by different names."""
        return Pages("/labels/disputes", limit, {"profile": profile})

    @listing
    def clusters(
        self, profile: str, *, limit: int | None = None
    ) -> Pages[shapes.Cluster]:
        """Read unknown events that are alike, the largest cluster first.

        Name one by `labels` with its members: ``{e: "pinch" for e in c["members"]}``.
        """
        return Pages(place("profiles", profile, "clusters"), limit)


def _values(answer: Any) -> Float32Array:
    return np.array(answer["values"], dtype=np.float32)


def _accepted(answer: Any) -> int:
    return int(answer["accepted"])
