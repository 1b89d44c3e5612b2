"""How far a key reaches: which profiles and which devices it may know of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.errors import InvalidInput

MOST_PATTERNS = 100
_PATTERN = re.compile(r"[A-Za-z0-9_.:*-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reach:
    """Names, or patterns in which ``*`` stands for any characters.

    Parameters
    ----------
    profiles, devices : tuple of str
        Empty: all of them.  With both, a device must fit and its profile, too.

    Raises
    ------
    InvalidInput
        If there are too many, or one is no name.

    Examples
    --------
    >>> reach = Reach(("acme-*",), ("plug-1", "plug-2"))
    >>> reach.profile("acme-arm"), reach.profile("other"), reach.device("plug-3")
    (True, False, False)
    """

    profiles: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for what, patterns in (("profiles", self.profiles), ("devices", self.devices)):
            if len(patterns) > MOST_PATTERNS:
                raise InvalidInput(f"{what} has {len(patterns)}, at most 100")
            for one in patterns:
                if not _PATTERN.fullmatch(one):
                    raise InvalidInput(f"{what} takes names, and * for any characters")

    @property
    def limited(self) -> bool:
        """Whether there is anything that it does not reach."""
        return bool(self.profiles or self.devices)

    def profile(self, name: str) -> bool:
        """Whether it reaches a profile."""
        return re.search(expression(self.profiles), name) is not None

    def device(self, name: str) -> bool:
        """Whether it reaches a device, if its profile is one that it reaches."""
        return re.search(expression(self.devices), name) is not None

    def sees(self, profile: str | None, device: str | None) -> bool:
        """Whether it may hear of something that is about a profile and a device."""
        if not self.limited:
            return True
        if profile is None or not self.profile(profile):
            return False
        return not self.devices or (device is not None and self.device(device))


EVERYTHING = Reach()


def expression(patterns: Sequence[str]) -> str:
    """Write patterns as a regular expression, the same for Python and PostgreSQL.

    Examples
    --------
    >>> expression(("acme-*", "a.b"))
    '^(acme-.*|a[.]b)$'
    >>> expression(())
    ''
    """
    if not patterns:
        return ""
    each = (one.replace(".", "[.]").replace("*", ".*") for one in patterns)
    return f"^({'|'.join(each)})$"
