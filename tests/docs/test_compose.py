"""What the image and `compose.yaml` name exists; no container engine is needed."""

import re

from app.cli import COMMANDS
from app.settings import Settings
from tests.docs.pages import CHECKOUT

DOCKERFILE = (CHECKOUT / "Dockerfile").read_text()
COMPOSE = (CHECKOUT / "compose.yaml").read_text()
SETTINGS = {
    str(field.validation_alias or f"ONSET_{name}").upper()
    for name, field in Settings.model_fields.items()
}


def test_containers_run_commands_that_exist_with_settings_that_exist() -> None:
    commands = re.findall(r'^    command: \["(\w+)"\]$', COMPOSE, re.M)
    assert commands == ["serve", "trainer"]
    assert set(commands) <= set(COMMANDS)
    named = re.findall(r"^ +([A-Z_]+): (.+)$", COMPOSE, re.M)
    ours = {name for name, _ in named if not name.startswith("POSTGRES_")}
    assert {"DATABASE_URL", "ONSET_ADMIN_KEY"} <= ours <= SETTINGS
    for name, value in named:
        if re.search("PASSWORD|KEY|URL", name):
            assert "${" in value, f"{name} is written down"


def test_what_containers_keep_lies_in_volumes_of_the_image() -> None:
    _, _, declared = COMPOSE.partition("\nvolumes:\n")
    kept = dict(re.findall(r'volumes: \["(\w+):(/[\w/]+)"\]', COMPOSE))
    assert set(kept) == set(re.findall(r"^  (\w+):$", declared, re.M))
    assert f"VOLUME {kept['onset']}\n" in DOCKERFILE
    for variable in ("NUMBA_CACHE_DIR", "ONSET_DATA_DIR", "ONSET_MODELS_DIR"):
        assert f"{variable}={kept['onset']}/" in DOCKERFILE


def test_what_the_image_is_made_of_exists_and_is_let_in() -> None:
    let_in = set((CHECKOUT / ".dockerignore").read_text().split())
    for line in DOCKERFILE.splitlines():
        if not line.startswith("COPY ") or "--from=" in line:
            continue
        *sources, _target = line.split()[1:]
        for source in sources:
            assert (CHECKOUT / source).exists(), source
            assert f"!{source}" in let_in, source
    assert re.search(r'^ENTRYPOINT \["onset"\]$', DOCKERFILE, re.M)
    assert set(re.findall(r"\b(ONSET_[A-Z_]+)=", DOCKERFILE)) <= SETTINGS
