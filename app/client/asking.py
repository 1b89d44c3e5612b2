"""One core for two ways of asking: what is asked, without how.

A verb is written once, as a method that says what to ask and how to read the answer.
On `Onset` it is awaited, on `BlockingOnset` it blocks; a list is an iterator that hides
its cursors, asynchronous or not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field
from functools import partial, update_wrapper
from typing import (
    Any,
    Concatenate,
    Generic,
    Literal,
    ParamSpec,
    Protocol,
    Self,
    TypeAlias,
    TypeVar,
    overload,
)
from urllib.parse import quote

Way: TypeAlias = Literal["GET", "PUT", "POST", "PATCH", "DELETE"]
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request, and how its answer is read.

    Parameters
    ----------
    way, path
        Method and path; the parts of the path are quoted already.
    request : mapping
        As httpx takes it: `json`, `params`, `content`, `headers`.
    read : function of the answer's JSON (None without a body)
    """

    way: Way
    path: str
    request: MappingOf[str, Any] = field(default_factory=dict)
    read: Callable[[Any], T] = lambda answer: answer


@dataclass(frozen=True, slots=True)
class Pages(Generic[T]):
    """A list that comes page by page; filters that are None are not sent."""

    path: str
    page: int | None = None
    filters: MappingOf[str, Any] = field(default_factory=dict)

    def calls(self) -> Generator[Call[Any], Any, None]:
        """Ask for one page after the other; each is sent in."""
        params = {k: v for k, v in self.filters.items() if v is not None}
        if self.page is not None:
            params["limit"] = self.page
        while True:
            body = yield Call("GET", self.path, {"params": dict(params)})
            if not body["next_cursor"]:
                return
            params["cursor"] = body["next_cursor"]


class Awaiting(Protocol):
    """A client that is awaited."""

    async def do(self, call: Call[T]) -> T:
        """Ask."""

    def each(self, pages: Pages[T]) -> AsyncIterator[T]:
        """Read a list."""


class Blocking(Protocol):
    """A client that blocks."""

    def do(self, call: Call[T], /) -> T:
        """Ask."""

    def each(self, pages: Pages[T]) -> Iterator[T]:
        """Read a list."""


class verb(Generic[P, T]):  # noqa: N801  - it is used as a decorator
    """A method that asks once."""

    def __init__(self, ask: Callable[Concatenate[Any, P], Call[T]]) -> None:
        self._ask = ask
        update_wrapper(self, ask)  # type: ignore[arg-type]

    @overload
    def __get__(self, client: None, kind: type) -> Self: ...
    @overload
    def __get__(self, client: Awaiting, kind: type) -> Callable[P, Awaitable[T]]: ...
    @overload
    def __get__(self, client: Blocking, kind: type) -> Callable[P, T]: ...
    def __get__(self, client: Any, kind: type) -> Any:
        """Bind to a client."""
        if client is None:
            return self
        return update_wrapper(partial(_do, client, self._ask), self._ask)


class listing(Generic[P, T]):  # noqa: N801
    """A method that reads a list, page by page."""

    def __init__(self, ask: Callable[Concatenate[Any, P], Pages[T]]) -> None:
        self._ask = ask
        update_wrapper(self, ask)  # type: ignore[arg-type]

    @overload
    def __get__(self, client: None, kind: type) -> Self: ...
    @overload
    def __get__(
        self, client: Awaiting, kind: type
    ) -> Callable[P, AsyncIterator[T]]: ...
    @overload
    def __get__(self, client: Blocking, kind: type) -> Callable[P, Iterator[T]]: ...
    def __get__(self, client: Any, kind: type) -> Any:
        """Bind to a client."""
        if client is None:
            return self
        return update_wrapper(partial(_each, client, self._ask), self._ask)


def _do(client: Any, ask: Callable[..., Any], *args: Any, **more: Any) -> Any:
    return client.do(ask(client, *args, **more))


def _each(client: Any, ask: Callable[..., Any], *args: Any, **more: Any) -> Any:
    return client.each(ask(client, *args, **more))


def place(*parts: object) -> str:
    """Make a path of its parts, quoted.

    Examples
    --------
    >>> place("profiles", "arm band", "drift")
    '/profiles/arm%20band/drift'
    """
    return "".join(f"/{quote(str(part), safe='')}" for part in parts)


def given(**fields: Any) -> dict[str, Any]:
    """Keep what is not None."""
    return {name: value for name, value in fields.items() if value is not None}
