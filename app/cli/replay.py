"""`onset replay`, `compare`: other versions over what was recorded and labelled."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from app.cli import configuration
from app.cli.detectors import settings_of
from app.cli.folder import replay_folder
from app.cli.jobs import finished, telling
from app.cli.options import AsJson, Url
from app.cli.rest import Refused, Service
from app.simulate.recordings import read_folder

SERVED = "served"
Folder = Annotated[
    Path | None,
    typer.Option(
        "--recordings",
        help="Folder of recordings with events.csv, instead of what was recorded.",
    ),
]


def replay(
    profile: Annotated[
        str | None,
        typer.Argument(help="Of a folder: only for versions by their number."),
    ] = None,
    detector: Annotated[
        int | None, typer.Option(help="Number of a detector version.")
    ] = None,
    settings: Annotated[
        str | None, typer.Option(help="Detector settings as JSON, not yet a version.")
    ] = None,
    model: Annotated[
        int | None, typer.Option(help="Number of a model version.")
    ] = None,
    recordings: Folder = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Compare a detector or model with what was served at the time.

    Over what the service recorded, or, with --recordings, over a folder: then beside
    the profile's present detector, or without a profile the default one.
    """
    asked: dict[str, Any] = {}
    if detector is not None:
        asked["detector_version"] = detector
    if settings is not None:
        asked["detector"] = settings_of(settings)
    if model is not None:
        asked["model_version"] = model
    if recordings is None:
        _do(_named(profile), asked, None, as_json=as_json, url=url)
    else:
        _do_folder(recordings, profile, asked, None, as_json=as_json, url=url)


def compare(
    profile: Annotated[str, typer.Argument()],
    former: Annotated[
        str,
        typer.Argument(help="detector:NUMBER, settings as JSON, model:NUMBER, served."),
    ],
    latter: Annotated[
        str, typer.Argument(help="detector:NUMBER, settings as JSON, or model:NUMBER.")
    ],
    recordings: Folder = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Say whether the latter version is better, worse, or there is no evidence."""
    against = None if former == SERVED else _side(former)
    if recordings is None:
        _do(profile, _side(latter), against, as_json=as_json, url=url)
        return
    if against is None:
        raise Refused("a folder was never served: name two detectors")
    _do_folder(recordings, profile, _side(latter), against, as_json=as_json, url=url)


def _named(profile: str | None) -> str:
    if profile is None:
        raise Refused("name a profile, or a folder with --recordings")
    return profile


def _side(text: str) -> dict[str, Any]:
    if text.startswith("{"):
        return {"detector": settings_of(text)}
    found = re.fullmatch(r"(detector|model):([0-9]+)", text)
    if found is None:
        raise Refused(f"{text!r} must be detector:NUMBER, model:NUMBER or settings")
    return {f"{found[1]}_version": int(found[2])}


def _do(
    profile: str,
    side: dict[str, Any],
    against: dict[str, Any] | None,
    *,
    as_json: bool,
    url: str | None,
) -> None:
    asked = {"profile": profile, **side}
    if against is not None:
        asked["against"] = against
    service = Service.of(configuration.load(), url)
    job = service.call("POST", "/replay", json=asked)
    _show(finished(service, job["id"], quiet=as_json)["result"], as_json=as_json)


def _do_folder(
    folder: Path,
    profile: str | None,
    side: dict[str, Any],
    against: dict[str, Any] | None,
    *,
    as_json: bool,
    url: str | None,
) -> None:
    if not folder.is_dir():
        raise Refused(f"--recordings {folder} is not a folder")
    latter = _settings(profile, side, url)
    if against is not None:
        former = _settings(profile, against, url)
    elif profile is not None:
        service = Service.of(configuration.load(), url)
        path = f"/profiles/{profile}"
        present = service.call("GET", path)["detector_version"]
        former = _settings(profile, {"detector_version": present}, url)
    else:
        former = {}
    with telling(quiet=as_json) as tell:
        result = replay_folder(read_folder(folder), former, latter, tell)
    _show(result, as_json=as_json)


def _settings(
    profile: str | None, side: dict[str, Any], url: str | None
) -> dict[str, Any]:
    """Give the detector settings of a side; a version's are asked of the service."""
    if "model_version" in side:
        raise Refused("a folder is replayed through detectors: name no model")
    if "detector" in side:
        given: dict[str, Any] = side["detector"]
        return given
    if "detector_version" not in side:
        raise Refused("name a detector, by --detector or --settings")
    service = Service.of(configuration.load(), url)
    path = f"/profiles/{_named(profile)}/detectors/{side['detector_version']}"
    found: dict[str, Any] = service.call("GET", path)["settings"]
    return found


def _show(result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(msgspec.json.encode(result).decode())
        return
    for part in ("detection", "classification", "end_to_end"):
        if part in result:
            _tell(result[part])
    if result.get("cause"):
        typer.echo(f"{'cause':16}{result['cause']}")
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
