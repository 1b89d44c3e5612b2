"""Settings for the commands: environment first, then what the command line says."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr, ValidationError

from app.errors import InvalidInput
from app.settings import Settings
from app.store import private

ADMIN_KEY_FILE = private.ADMIN_KEY
DATABASE_URL_FILE = "database.url"


def load(**given: object) -> Settings:
    """Read the settings; None among `given` means that nothing was said.

    Raises
    ------
    InvalidInput
        Naming each setting that breaks its rule, never its value.
    """
    try:
        return Settings(**{k: v for k, v in given.items() if v is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        said = "; ".join(
            f"{variable('.'.join(map(str, e['loc'])))}: {e['msg']}"
            for e in error.errors()
        )
        raise InvalidInput(said) from None


def variable(name: str) -> str:
    """Name the environment variable of a setting.

    Examples
    --------
    >>> variable("data_dir"), variable("database_url")
    ('ONSET_DATA_DIR', 'DATABASE_URL')
    """
    if name.upper() == "DATABASE_URL":
        return "DATABASE_URL"
    return f"ONSET_{name.upper()}"


def environment(settings: Settings) -> dict[str, str]:
    """Write all settings as the environment of a child process."""
    return dict(os.environ) | {
        variable(name): _plain(value) for name, value in settings if value is not None
    }


def masked(settings: Settings) -> Mapping[str, str]:
    """All settings as they are in force, by variable, secrets hidden."""
    return {
        variable(name): "(set, hidden)"
        if isinstance(value, SecretStr)
        else _plain(value)
        if value is not None
        else "(not set)"
        for name, value in settings
    }


def address(settings: Settings) -> str:
    """Where the service of these settings answers on this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{settings.port}"


def admin_key(settings: Settings) -> str | None:
    """Find the admin key: the setting's, else the one that the service stored."""
    if settings.admin_key is not None:
        return settings.admin_key.get_secret_value()
    return read_private(settings.data_dir / ADMIN_KEY_FILE)


def read_private(path: Path) -> str | None:
    """Read a file of ours; None if there is none, or not for us."""
    try:
        return path.read_text().strip() or None
    except OSError:
        return None


def _plain(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
