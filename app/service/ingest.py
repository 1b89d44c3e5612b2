"""Taking a stream over: its row, its detector version, its state."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from app.detection import Stream
from app.domain import DetectorVersion, Event, Flag, Gap, Profile
from app.service.live import LiveStream, Shared, Sink
from app.store import devices, profiles, streams
from app.store.streams import StreamRow

log = structlog.get_logger()


class Ingest:
    """Opens the streams of this process."""

    def __init__(self, engine: AsyncEngine, shared: Shared) -> None:
        self._engine = engine
        self._shared = shared

    async def open(
        self, device: str, boot: str | None, profile_name: str | None, sink: Sink
    ) -> LiveStream:
        """Take a stream over and restore its detector.

        Parameters
        ----------
        boot : str or None
            None: one is made up.
        profile_name : str or None
            None: the one that the device is registered with.

        Raises
        ------
        NotFound
            If the device or the profile is not registered.
        """
        boot = boot or f"auto-{secrets.token_hex(8)}"
        async with self._engine.begin() as conn:
            registered = await devices.get(conn, device)
            profile = await profiles.get(conn, profile_name or registered.profile)
            version = await profiles.detector(conn, profile.name)
            row = await streams.take_over(conn, device, boot, version.number)
            former = version
            if row.detector_version != version.number:
                former = await profiles.detector_version(conn, row.detector_version)
        stream, events, gaps = restore(profile, version, former, row, device, boot)
        live = LiveStream(
            self._shared, stream, profile, version, row, device, boot, sink
        )
        if gaps:
            live.adopt(events, gaps)
        return live


def restore(
    profile: Profile,
    version: DetectorVersion,
    former: DetectorVersion,
    row: StreamRow,
    device: str,
    boot: str,
) -> tuple[Stream, Sequence[Event], Sequence[Gap]]:
    """Go on where the stream was left, under `version`.

    A stream that another detector version saw last is closed by that one, its open
    event with flag ``gap``; a state that cannot be read costs the open event.  Both
    leave a gap that says so.
    """
    if row.state is None:
        return Stream(profile, version, device, boot), (), ()
    next_seq = row.watermark + 1
    events: list[Event] = []
    gaps: list[Gap] = []
    try:
        stream = Stream.restore(
            profile,
            former,
            device,
            boot,
            next_seq=next_seq,
            state=row.state,
            readings=row.readings,
        )
    except ValueError as error:
        log.warning("state_unreadable", device=device, boot=boot, why=str(error))
        why = "the detector's state could not be read"
    else:
        if former == version:
            return stream, (), ()
        why = f"detector version {former.number} was followed by {version.number}"
        said = stream.close(Flag.GAP)
        events += [output for output in said if isinstance(output, Event)]
        gaps += stream.take_gaps()
    fresh = Stream(profile, version, device, boot)
    fresh.skip(next_seq, why)
    fresh.take_gaps()
    return fresh, events, [*gaps, Gap(next_seq, next_seq, why)]
