"""`onset alerts`: what somebody must look at, and the rules that say so."""

from __future__ import annotations

import itertools
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from app.cli import configuration
from app.cli.options import AsJson, Url
from app.cli.rest import Service
from app.cli.tables import show

alerts = typer.Typer(no_args_is_help=True, help="What somebody must look at.")


@alerts.command("list")
def list_(
    everything: Annotated[
        bool, typer.Option("--all", help="Acknowledged ones, too.")
    ] = False,
    device: Annotated[str | None, typer.Option(help="Of this device only.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """List alerts that nobody has acknowledged, newest first."""
    service = Service.of(configuration.load(), url)
    asked = {
        "acknowledged": None if everything else "false",
        "device": device,
        "limit": min(limit, 200),
    }
    found = itertools.islice(service.items("/alerts", asked), limit)
    if as_json:
        for one in found:
            typer.echo(msgspec.json.encode(one))
        return
    table = Table("alert", "rule", "device", "what", "times", "since", "acknowledged")
    for one in found:
        seen = one["acknowledged"]
        table.add_row(
            str(one["id"]),
            one["name"],
            "all" if one["all_devices"] else one["device"] or one["profile"],
            _what(one),
            str(one["count"]),
            one["opened_at"][:19],
            seen["by"] if seen else "-",
        )
    show(table)


@alerts.command()
def ack(
    alert: Annotated[int, typer.Argument(help="Number of the alert.")],
    note: Annotated[str | None, typer.Option(help="What to remember.")] = None,
    url: Url = None,
) -> None:
    """Say that you look after an alert."""
    service = Service.of(configuration.load(), url)
    said = service.call("POST", f"/alerts/{alert}/ack", json={"note": note})
    typer.echo(f"alert {alert}: {said['acknowledged']['by']} looks after it")


@alerts.command()
def rules(as_json: AsJson = False, url: Url = None) -> None:
    """List the rules."""
    service = Service.of(configuration.load(), url)
    found = service.items("/alerts/rules")
    if as_json:
        for one in found:
            typer.echo(msgspec.json.encode(one))
        return
    table = Table("rule", "name", "on", "where", "condition", "cooldown", "enabled")
    for one in found:
        table.add_row(
            str(one["id"]),
            one["name"],
            one["on"],
            one["device"] or one["profile"] or "everywhere",
            _condition(one),
            f"{one['cooldown_seconds']:g} s a {one['group_by']}",
            "yes" if one["enabled"] else "no",
        )
    show(table)


@alerts.command()
def add(
    name: Annotated[str, typer.Argument(help="What people call it.")],
    on: Annotated[
        str,
        typer.Option(help="event, prediction, silence, drift, training or rollback."),
    ] = "event",
    profile: Annotated[str | None, typer.Option(help="Of this profile only.")] = None,
    device: Annotated[str | None, typer.Option(help="Of this device only.")] = None,
    label: Annotated[str | None, typer.Option(help="The predicted label.")] = None,
    min_probability: Annotated[
        float | None, typer.Option(help="At least so probable.")
    ] = None,
    silence: Annotated[
        float | None, typer.Option(help="Seconds without a reading; on silence.")
    ] = None,
    cooldown: Annotated[
        float, typer.Option(help="Seconds in which more of it is only counted.")
    ] = 300.0,
    url: Url = None,
) -> None:
    """Look for something from now on."""
    service = Service.of(configuration.load(), url)
    asked = {
        "name": name,
        "on": on,
        "profile": profile,
        "device": device,
        "label": label,
        "min_probability": min_probability,
        "silence_seconds": silence,
        "cooldown_seconds": cooldown,
    }
    made = service.call("POST", "/alerts/rules", json=asked)
    typer.echo(f"rule {made['id']}: {made['name']}")


@alerts.command()
def change(
    rule: Annotated[int, typer.Argument(help="Number of the rule.")],
    enabled: Annotated[
        bool | None, typer.Option("--on/--off", help="Look for it, or do not.")
    ] = None,
    min_probability: Annotated[
        float | None, typer.Option(help="At least so probable.")
    ] = None,
    cooldown: Annotated[
        float | None, typer.Option(help="Seconds in which more is only counted.")
    ] = None,
    url: Url = None,
) -> None:
    """Change a rule; what is left out stays."""
    service = Service.of(configuration.load(), url)
    asked = {
        "enabled": enabled,
        "min_probability": min_probability,
        "cooldown_seconds": cooldown,
    }
    said = {name: value for name, value in asked.items() if value is not None}
    changed = service.call("PATCH", f"/alerts/rules/{rule}", json=said)
    typer.echo(f"rule {rule}: {'on' if changed['enabled'] else 'off'}")


@alerts.command()
def remove(
    rule: Annotated[int, typer.Argument(help="Number of the rule.")], url: Url = None
) -> None:
    """Forget a rule and what it found."""
    Service.of(configuration.load(), url).call("DELETE", f"/alerts/rules/{rule}")
    typer.echo(f"rule {rule} is gone")


def _what(alert: dict[str, Any]) -> str:
    if alert["on"] == "silence":
        return "speaks again" if alert["ended_at"] else "silent"
    if alert["sentence"] is not None:
        return str(alert["sentence"])
    if alert["label"] is None:
        return "an event"
    return f"{alert['label']} ({alert['probability']:.2f})"


def _condition(rule: dict[str, Any]) -> str:
    said = []
    if rule["label"] is not None:
        said.append(rule["label"])
    if rule["min_probability"] is not None:
        said.append(f">= {rule['min_probability']:g}")
    if rule["unknown"] is not None:
        said.append("unknown" if rule["unknown"] else "known")
    if rule["silence_seconds"] is not None:
        said.append(f"{rule['silence_seconds']:g} s")
    return " ".join(said) or "any"
