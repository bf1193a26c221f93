"""The README is correct: its commands exist, and its tables match the code."""

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import PydanticUndefined
from typer.main import get_command

from app.cli.entry import cli
from app.config import Settings
from tests.fixtures.routes import ROUTES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()

# The columns of the noun table, and where each looks.
LAYERS = {
    "api": ("app/api/core", "app/api/tracker", "app/api/hianime"),
    "services": ("app/services",),
    "repositories": ("app/repositories",),
    "models": ("app/models",),
    "schemas": (
        "app/schemas",
        "app/schemas/domain",
        "app/schemas/core",
        "app/schemas/tracker",
        "app/schemas/hianime",
    ),
    "tasks": ("app/tasks",),
    "external": ("app/external",),
}
DEEP = {"app/services", "app/repositories"}
# Parts of a layer that are not nouns of the product.
MACHINERY = {
    "models": {"base"},
    "schemas": {"fields", "domain", "core", "tracker", "hianime", "cached", "catalogue"},
    "tasks": {"registry"},
    "external": {"base"},
}


def stems(folder: str) -> set[str]:
    # A service or repository of a noun may be in another's package, like collections in watching.
    found = (ROOT / folder).rglob("*") if folder in DEEP else (ROOT / folder).iterdir()
    # Folders left behind by a rename, with bytecode only, are not in a clone.
    return {
        path.stem
        for path in found
        if path.stem != "__init__" and (path.suffix == ".py" or (path.is_dir() and any(path.rglob("*.py"))))
    }


def noun_table() -> str:
    """One row per noun that exists in at least two layers; a cell names the folders where it exists."""
    places: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for layer, folders in LAYERS.items():
        for folder in folders:
            for stem in stems(folder) - MACHINERY.get(layer, set()) - {"__pycache__"}:
                places[stem].setdefault(layer, []).append(folder.rpartition("/")[2])
    rows = [f"| noun | {' | '.join(LAYERS)} |", "|---" * (len(LAYERS) + 1) + "|"]
    for noun in sorted(noun for noun, layers in places.items() if len(layers) > 1):
        cells = [_cell(layer, places[noun].get(layer, [])) for layer in LAYERS]
        rows.append(f"| {noun} | {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |"))
    return "\n".join(rows)


def _cell(layer: str, folders: list[str]) -> str:
    return ", ".join(folders) if len(LAYERS[layer]) > 1 else "·" * len(folders)


def table_after(heading: str) -> list[list[str]]:
    """The cells of the first table under a heading, without its header."""
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def test_the_table_of_nouns_matches_the_source_tree() -> None:
    assert noun_table() in README, f"put this into the README:\n\n{noun_table()}\n"


def test_the_table_of_settings_is_complete() -> None:
    def written(default: Any) -> str:
        if default is None or default == [] or default is PydanticUndefined:
            return ""
        return f"`{str(default).lower() if isinstance(default, bool) else default}`"

    told = {name: row[1] for row in table_after("Settings") for name in re.findall(r"`([A-Z_]+)`", row[0])}
    meant = {name.upper(): written(field.default) for name, field in Settings.model_fields.items()}
    assert set(told) == set(meant)
    differing = {
        name: (told[name], meant[name])
        for name in meant
        if meant[name] and meant[name] not in re.findall("`[^`]*`", told[name])
    }
    assert differing == {}


@pytest.mark.parametrize("line", re.findall(r"^(?:uv run )?anisync ([a-z].*)$", README, re.MULTILINE))
def test_its_commands_exist(line: str) -> None:
    command = get_command(cli)
    for word in line.split():
        if not hasattr(command, "commands"):
            break
        assert word in command.commands, line
        command = command.commands[word]
    options = {option for parameter in command.params for option in parameter.opts}
    assert set(re.findall(r"--[a-z-]+", line)) <= options


def test_the_table_of_events_is_complete() -> None:
    told = {event for row in table_after("The audit trail") for event in re.findall(r"`([a-z_.]+)`", row[0])}
    texts = [path.read_text() for path in (ROOT / "app/services").rglob("*.py")]
    assert told == {
        event for text in texts for event in re.findall(r"\b(?:audit|count_event)\(\"([a-z_.]+)\"", text)
    }


def test_the_table_of_limits_is_complete() -> None:
    texts = [path.read_text() for path in (ROOT / "app").rglob("*.py")]
    quotas = {found for text in texts for found in re.findall(r'Quota\("([^"]+)", ([\d_]+), \d+\)', text)}
    assert len(quotas) > 10
    told = " ".join(row[1] for row in table_after("Run it for others"))
    missing = {name for name, most in quotas if not re.search(rf"\b{int(most):,}\b", told)}
    assert missing == set()


def test_its_routes_exist() -> None:
    templates = {re.sub(r"\{\w+\}", r"[^/]+", route.path) for route in ROUTES} | {
        "/docs",
        "/openapi.json",
    }
    asked = set(re.findall(r"localhost:8000(/[\w/.-]*)", README)) - {"/"}
    assert len(asked) > 5
    assert {path for path in asked if not any(re.fullmatch(one, path) for one in templates)} == set()


def test_the_two_commands_are_at_the_top() -> None:
    start = README.partition("\n## ")[2].partition("\n## ")[0]
    assert "uv run anisync up" in start
    assert "uv run pytest" in start
