"""Writes `docs/settings.md` from the settings themselves: `make docs`."""

from pathlib import Path

from app.settings import Settings

PAGE = Path(__file__).resolve().parents[2] / "docs" / "settings.md"

HEAD = """\
# Settings

All are environment variables; the unit of a number is in its name. `make docs` writes
this page from `app/settings.py`.

| variable | default | what it is |
| --- | --- | --- |
"""


def variable(field: str) -> str:
    """Name of the environment variable that sets a field."""
    alias = Settings.model_fields[field].validation_alias
    return alias if isinstance(alias, str) else f"ONSET_{field.upper()}"


def page() -> str:
    """Return what `docs/settings.md` should say."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = "none" if field.default is None else f"`{field.default}`"
        rows.append(f"| `{variable(name)}` | {default} | {field.description} |\n")
    return HEAD + "".join(rows)


if __name__ == "__main__":
    PAGE.write_text(page())
