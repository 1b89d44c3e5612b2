"""The commands' way to a running service: its public REST interface, as anybody's."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, Self

import httpx

from app.cli import configuration
from app.client.live import Happening, happenings_blocking
from app.errors import OnsetError, Unavailable
from app.settings import Settings

TIMEOUT_SECONDS = 30.0
KEY_VARIABLE = "ONSET_KEY"


class Refused(OnsetError):
    """The service answered that it will not."""


class Service:
    """A running service.

    Parameters
    ----------
    url : str
        Where it answers, without a slash at the end.
    key : str or None
        Sent as bearer; None sends none.
    """

    def __init__(self, url: str, key: str | None) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(
            base_url=url, headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False
        )
        self.url = url
        self.key = key

    @classmethod
    def of(cls, settings: Settings, url: str | None = None) -> Self:
        """Find the service of these settings, with the key at hand.

        The key is `ONSET_KEY`, else the admin key: `ONSET_ADMIN_KEY`, else the one
        in the data folder.
        """
        key = os.environ.get(KEY_VARIABLE) or configuration.admin_key(settings)
        return cls(url or configuration.address(settings), key)

    def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        content_type: str | None = None,
    ) -> Any:
        """Ask and return the answer's JSON, None when it has no body.

        Raises
        ------
        Refused
            With the title and detail of the problem.
        Unavailable
            If there is no answer.
        """
        headers = {"Content-Type": content_type} if content_type else None
        said = {k: v for k, v in (params or {}).items() if v is not None}
        try:
            answer = self._client.request(
                method, path, json=json, params=said, content=content, headers=headers
            )
        except httpx.HTTPError as error:
            raise Unavailable(
                f"no answer from {self.url} ({error}): is the service running?"
            ) from error
        if answer.is_error:
            raise Refused(problem(answer))
        return answer.json() if answer.content else None

    def fetch(self, path: str, form: str) -> bytes:
        """Get something in a form, as bytes.

        Raises
        ------
        Refused, Unavailable
            As `call`.
        """
        return b"".join(self.stream(path, form=form))

    def stream(
        self,
        path: str,
        params: Mapping[str, Any] | None = None,
        form: str = "*/*",
    ) -> Iterator[bytes]:
        """Read a long answer part by part, in the form that is wanted.

        Raises
        ------
        Refused, Unavailable
            As `call`; also when the answer breaks off.
        """
        said = {k: v for k, v in (params or {}).items() if v is not None}
        try:
            with self._client.stream(
                "GET", path, params=said, headers={"Accept": form}
            ) as answer:
                if answer.is_error:
                    answer.read()
                    raise Refused(problem(answer))
                yield from answer.iter_bytes()
        except httpx.HTTPError as error:
            raise Unavailable(
                f"no whole answer from {self.url} ({error}): is the service running?"
            ) from error

    def feed(
        self, path: str, params: Mapping[str, Any], last_event_id: str | None
    ) -> Iterator[Happening]:
        """Follow a stream of events for ever; a break is no end."""
        said = {k: v for k, v in params.items() if v is not None}
        return happenings_blocking(self._client, path, said, last_event_id)

    def items(
        self, path: str, params: Mapping[str, Any] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Read a list page by page."""
        cursor = None
        while True:
            page = self.call("GET", path, params={**(params or {}), "cursor": cursor})
            yield from page["items"]
            cursor = page["next_cursor"]
            if not cursor:
                return


def problem(answer: httpx.Response) -> str:
    """Say in one line what the service said was wrong."""
    try:
        said = answer.json()
        title, detail = said.get("title", ""), said.get("detail", "")
    except (ValueError, AttributeError):
        title, detail = "", ""
    words = ": ".join(word for word in (title, detail) if word)
    return f"{answer.status_code} {words or answer.reason_phrase}"
