"""The command `onset`: thin, one file for each group of verbs.

Only the module of the command that was asked for is imported: `onset label` need not
wait for the learning libraries that `onset trainer` is made of.  Exit codes: 0 done,
1 refused or failed (one clear line), 2 wrong usage.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

import typer

from app.cli import kernels
from app.errors import OnsetError
from app.loading import uncollected, without

COMMANDS = {
    "up": "app.cli.up:up",
    "serve": "app.cli.serve:serve",
    "trainer": "app.cli.trainer:trainer",
    "simulate": "app.cli.simulate:simulate",
    "mqtt": "app.cli.mqtt:mqtt",
    "import": "app.cli.history:import_",
    "profiles": "app.cli.profiles:profiles",
    "devices": "app.cli.devices:devices",
    "live": "app.cli.looking:live",
    "events": "app.cli.events:events",
    "queue": "app.cli.looking:queue",
    "disputes": "app.cli.looking:disputes",
    "label": "app.cli.events:label",
    "clusters": "app.cli.clusters:clusters",
    "export": "app.cli.events:export",
    "retrain": "app.cli.models:retrain",
    "jobs": "app.cli.jobs:jobs",
    "models": "app.cli.models:models",
    "model": "app.cli.models:model",
    "import-model": "app.cli.models:import_model",
    "classify": "app.cli.models:classify",
    "shadow": "app.cli.models:shadow",
    "canary": "app.cli.canary:canary",
    "promote": "app.cli.models:promote",
    "rollback": "app.cli.models:rollback",
    "report": "app.cli.models:report",
    "bundle": "app.cli.bundles:bundle",
    "offline": "app.cli.bundles:offline",
    "detectors": "app.cli.detectors:detectors",
    "near-misses": "app.cli.detectors:near_misses",
    "recall": "app.cli.looking:recall",
    "quarantine": "app.cli.looking:quarantine",
    "replay": "app.cli.replay:replay",
    "compare": "app.cli.replay:compare",
    "verify": "app.cli.verify:verify",
    "pause": "app.cli.devices:pause",
    "resume": "app.cli.devices:resume",
    "release": "app.cli.devices:release",
    "alerts": "app.cli.alerts:alerts",
    "webhooks": "app.cli.webhooks:webhooks",
    "audit": "app.cli.looking:audit",
    "keys": "app.cli.keys:keys",
    "doctor": "app.cli.doctor:doctor",
    "db": "app.cli.db:db",
}
"""Where each command lives; the order is that of ``onset --help``."""


def build(words: Sequence[str]) -> typer.Typer:
    """Make the command line for these words: the command they name, else all."""
    named = [word for word in words if not word.startswith("-")][:1]
    names = named if named and named[0] in COMMANDS else list(COMMANDS)
    app = typer.Typer(
        name="onset",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_about)
    if names == ["serve"]:
        with without("rich"):  # for coloured tracebacks, which `logs` does not print
            import_module("structlog")
    for name in names:
        module, _, attribute = COMMANDS[name].partition(":")
        command = getattr(import_module(module), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def main() -> None:
    """Run the command that the process was started with."""
    kernels.keep()
    try:
        with uncollected():
            command = build(sys.argv[1:])
        command()
    except OnsetError as error:
        typer.echo(f"onset: {error}", err=True)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _about() -> None:
    """Endless device streams into labelled events, and a model that stays fresh."""
