"""`onset replay`, `compare`: other versions over what was recorded and labelled."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from app.cli import configuration
from app.cli.detectors import settings_of
from app.cli.folder import Name, Side, replay_folder
from app.cli.jobs import finished, telling
from app.cli.options import AsJson, Url
from app.cli.rest import Refused, Service
from app.domain import Event
from app.simulate.recordings import read_folder

SERVED = "served"
WINDOWS_AT_ONCE = 16
"""In one question to a service: a megabyte of JSON at most, usually."""
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
    the profile's present detector, or without a profile the default one; and with a
    --model, beside the champion, which names what is found by the same detector.
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
        raise Refused("a folder was never served: name two versions")
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
    if not side:
        raise Refused("name a version, by --detector, --settings or --model")
    former = {} if against is None else against
    service = Service.of(configuration.load(), url)
    models = [one.get("model_version") for one in (former, side)]
    sides = [
        Side(
            _settings(service, profile, one),
            _namer(service, _named(profile), model) if any(models) else None,
        )
        for one, model in zip((former, side), models, strict=True)
    ]
    with telling(quiet=as_json) as tell:
        result = replay_folder(read_folder(folder), sides[0], sides[1], tell)
    _show(result, as_json=as_json)


def _settings(
    service: Service, profile: str | None, side: dict[str, Any]
) -> dict[str, Any]:
    """Give the detector settings of a side; a version's are asked of the service.

    A side that names no detector has the profile's present one, or the default.
    """
    if "detector" in side:
        given: dict[str, Any] = side["detector"]
        return given
    number = side.get("detector_version")
    if number is None and profile is None:
        return {}
    path = f"/profiles/{_named(profile)}"
    if number is None:
        number = service.call("GET", path)["detector_version"]
    found: dict[str, Any] = service.call("GET", f"{path}/detectors/{number}")
    settings: dict[str, Any] = found["settings"]
    return settings


def _namer(service: Service, profile: str, model: int | None) -> Name:
    """Let the service say what a model version, or the champion, calls events."""
    version = {} if model is None else {"model_version": model}

    def name(events: Sequence[Event]) -> list[str | None]:
        labels: list[str | None] = []
        for at in range(0, len(events), WINDOWS_AT_ONCE):
            some = events[at : at + WINDOWS_AT_ONCE]
            asked = {
                "profile": profile,
                "windows": [one.window.tolist() for one in some],
                "pre_roll": [one.pre_roll for one in some],
                "post_roll": [one.post_roll for one in some],
            }
            said = service.call("POST", "/classify", json=asked | version)
            labels += [
                None if one["unknown"] else one["label"] for one in said["predictions"]
            ]
        return labels

    return name


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
