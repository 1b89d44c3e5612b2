"""Taking a stream over: its row, its detector version, its state."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.detection import Stream
from app.domain import Beside, DetectorVersion, Event, Flag, Gap, Past, Profile
from app.errors import InvalidInput, NotFound, Paused
from app.features import Session
from app.service.streams.handover import UNREADABLE, followed
from app.service.streams.live import LiveStream
from app.service.streams.shared import Shared, Sink
from app.service.together import Together
from app.store import devices, pasts, profiles, streams
from app.store.streams import Claim, StreamRow

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Asked:
    """A stream that a connection wants; `profile` None: its device's."""

    device: str
    boot: str
    profile: str | None


@dataclass(frozen=True, slots=True)
class Taken:
    """A stream that was taken over; `former` is the version its state belongs to.

    `past`: what is known of the device, if the profile asks for it and anything is.
    """

    profile: Profile
    version: DetectorVersion
    former: DetectorVersion
    row: StreamRow
    past: Past | None = None


class Ingest:
    """Opens the streams of this process."""

    def __init__(self, engine: AsyncEngine, shared: Shared) -> None:
        self._engine = engine
        self._shared = shared
        self._take_over = Together(self._take_over_all)

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
        InvalidInput
            If `boot` cannot be a name.
        """
        boot = boot or f"auto-{secrets.token_hex(8)}"
        devices.require_name("boot", boot)
        taken = await self._take_over(Asked(device, boot, profile_name))
        profile, version, row = taken.profile, taken.version, taken.row
        stream, events, gaps = restore(
            profile, version, taken.former, row, device, boot
        )
        live = LiveStream(
            self._shared,
            stream,
            profile,
            version,
            row,
            device,
            boot,
            sink,
            self._session(taken, device, boot),
        )
        if gaps:
            live.adopt(events, gaps)
        return live

    def _session(self, taken: Taken, device: str, boot: str) -> Session | None:
        """Go on with what the stream's events were, where models may read it."""
        profile, state = taken.profile, taken.row.session
        asked = profile.retrain.context
        pasts = self._shared.pasts
        if asked == Beside.DEVICE:
            pasts.watch(device, profile.name, taken.past)
        else:
            pasts.forget(device, profile.name)
        model = self._shared.champions.model(profile.name, device)
        if asked == Beside.NONE and not (model is not None and model.reads_context):
            return None
        session = Session(profile.rate_hz)
        if state is not None:
            try:
                session = Session.restore(profile.rate_hz, state)
            except InvalidInput as error:
                log.warning(
                    "session_unreadable", device=device, boot=boot, why=str(error)
                )
        if asked == Beside.SESSION:
            session.past = None
        elif session.past is None:
            session.past = taken.past
        return session

    async def _take_over_all(self, asked: Sequence[Asked]) -> list[Taken | Exception]:
        """Take over what many devices ask for; one stream of a device after another."""
        done: dict[int, Taken | Exception] = {}
        left = list(range(len(asked)))
        while left:
            first = {asked[i].device: i for i in reversed(left)}
            now = sorted(first.values())
            async with self._engine.begin() as conn:
                said = await take_over(conn, [asked[i] for i in now])
            for i, one in zip(now, said, strict=True):
                done[i] = one
            left = [i for i in left if i not in now]
        return [done[i] for i in range(len(asked))]


async def take_over(
    conn: AsyncConnection, asked: Sequence[Asked]
) -> list[Taken | Exception]:
    """Take over streams of different devices, in one transaction."""
    registered = await devices.profiles_of(conn, [one.device for one in asked])
    names = [one.profile or registered.get(one.device, "") for one in asked]
    present = {
        name: (await profiles.get(conn, name), await profiles.detector(conn, name))
        for name in await profiles.known(conn, set(names))
    }
    own = await devices.detectors_of(conn, list(registered))
    versions = {version.number: version for _, version in present.values()}
    versions |= await profiles.detector_versions_of(conn, set(own.values()))
    held = await devices.paused(conn, list(registered))
    able = [
        one.device in registered and one.device not in held and name in present
        for one, name in zip(asked, names, strict=True)
    ]
    numbers = [
        own.get((name, one.device), present[name][1].number if can else 0)
        for one, name, can in zip(asked, names, able, strict=True)
    ]
    claims = [
        Claim(one.device, one.boot, number)
        for one, number, can in zip(asked, numbers, able, strict=True)
        if can
    ]
    asking = [
        (one.device, name)
        for one, name, can in zip(asked, names, able, strict=True)
        if can and present[name][0].retrain.context == Beside.DEVICE
    ]
    past_of = await pasts.of(conn, asking) if asking else {}
    rows = iter(await streams.take_over(conn, claims))
    done: list[Taken | Exception] = []
    for one, name, serves, can in zip(asked, names, numbers, able, strict=True):
        row = next(rows) if can else None
        if row is None and one.device in held:
            done.append(Paused(f"the device is paused: {held[one.device]}"))
            continue
        if row is None:
            known = one.device in registered
            what = f"profile {name!r}" if known else f"device {one.device!r}"
            done.append(NotFound(f"no {what}"))
            continue
        number = row.detector_version
        if number not in versions:
            versions[number] = await profiles.detector_version(conn, number)
        past = past_of.get((one.device, name))
        former = versions[number]
        done.append(Taken(present[name][0], versions[serves], former, row, past))
    return done


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
        why = UNREADABLE
    else:
        if former == version:
            return stream, (), ()
        why = followed(former.number, version.number)
        said = stream.close(Flag.GAP)
        events += [output for output in said if isinstance(output, Event)]
        gaps += stream.take_gaps()
    fresh = Stream(profile, version, device, boot)
    fresh.skip(next_seq, why)
    fresh.take_gaps()
    return fresh, events, [*gaps, Gap(next_seq, next_seq, why)]
