"""`onset replay`, `compare`: other versions over what was recorded and labelled."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
import typer

from app.cli import configuration
from app.cli.detectors import settings_of
from app.cli.jobs import finished
from app.cli.options import AsJson, Url
from app.cli.rest import Refused, Service

SERVED = "served"


def replay(
    profile: Annotated[str, typer.Argument()],
    detector: Annotated[
        int | None, typer.Option(help="Number of a detector version.")
    ] = None,
    settings: Annotated[
        str | None, typer.Option(help="Detector settings as JSON, not yet a version.")
    ] = None,
    model: Annotated[
        int | None, typer.Option(help="Number of a model version.")
    ] = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Compare a detector or model with what was served at the time."""
    asked: dict[str, Any] = {"profile": profile}
    if detector is not None:
        asked["detector_version"] = detector
    if settings is not None:
        asked["detector"] = settings_of(settings)
    if model is not None:
        asked["model_version"] = model
    _do(asked, as_json=as_json, url=url)


def compare(
    profile: Annotated[str, typer.Argument()],
    former: Annotated[
        str, typer.Argument(help="detector:NUMBER, model:NUMBER or served.")
    ],
    latter: Annotated[str, typer.Argument(help="detector:NUMBER or model:NUMBER.")],
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Say whether the latter version is better, worse, or there is no evidence."""
    asked = {"profile": profile, **_side(latter)}
    if former != SERVED:
        asked["against"] = _side(former)
    _do(asked, as_json=as_json, url=url)


def _side(text: str) -> dict[str, int]:
    found = re.fullmatch(r"(detector|model):([0-9]+)", text)
    if found is None:
        raise Refused(f"{text!r} must be detector:NUMBER or model:NUMBER")
    return {f"{found[1]}_version": int(found[2])}


def _do(asked: dict[str, Any], *, as_json: bool, url: str | None) -> None:
    service = Service.of(configuration.load(), url)
    job = service.call("POST", "/replay", json=asked)
    done = finished(service, job["id"], quiet=as_json)
    result = done["result"]
    if as_json:
        typer.echo(msgspec.json.encode(result).decode())
        return
    for part in ("detection", "classification"):
        if part in result:
            _tell(result[part])
    typer.echo(f"{result['verdict']}: {result['reason']}")


def _tell(part: dict[str, Any]) -> None:
    said = part["comparison"]
    for name, value in part.items():
        if name != "comparison":
            typer.echo(f"{name.replace('_', ' '):16}{value}")
    typer.echo(
        f"{said['measure']:16}{said['former']:.3f} -> {said['latter']:.3f} "
        f"({said['difference']:+.3f}, {said['low']:+.3f} to {said['high']:+.3f})"
    )
