"""Every close code of the device socket, with the answer to "retry? when?".

`docs/protocol.md` is checked against this table, the session takes its titles from
it, and the client obeys it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Closing:
    """What a close code means to a device.

    `retry` says whether to connect again without a change; `when` says how soon, or
    what must change first.
    """

    code: int
    title: str
    retry: bool
    when: str


DONE = 1000
GOING_AWAY = 1001
TOO_BIG = 1009
FAILED = 1011
RESTART = 1012
MALFORMED = 4400
UNAUTHENTICATED = 4401
FORBIDDEN = 4403
UNKNOWN_PROFILE = 4404
IDLE = 4407
GAP = 4408
SUPERSEDED = 4409
WRONG_CHANNELS = 4410
PAUSED = 4423
TOO_FAST = 4429

CLOSES: dict[int, Closing] = {
    closing.code: closing
    for closing in (
        Closing(DONE, "done", False, "the stream ended and all of it is durable"),
        Closing(GOING_AWAY, "going away", True, "at once, with jitter"),
        Closing(TOO_BIG, "too big", False, "after making the messages smaller"),
        Closing(FAILED, "server fault", True, "after backing off"),
        Closing(RESTART, "restart", True, "at once, with jitter"),
        Closing(MALFORMED, "malformed", False, "after mending the device"),
        Closing(UNAUTHENTICATED, "no valid key", False, "with another key"),
        Closing(FORBIDDEN, "not your device", False, "with this device's key"),
        Closing(UNKNOWN_PROFILE, "unknown profile", False, "after registering it"),
        Closing(IDLE, "idle", True, "when there is something to send"),
        Closing(GAP, "gap without skip", True, "resending from `ack + 1`, or a skip"),
        Closing(SUPERSEDED, "superseded", False, "never: another connection has it"),
        Closing(WRONG_CHANNELS, "wrong channels", False, "after mending the device"),
        Closing(PAUSED, "paused", True, "after backing off: somebody will resume it"),
        Closing(TOO_FAST, "too fast", True, "after backing off, and slower"),
    )
}
