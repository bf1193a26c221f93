"""The shape of the project: file sizes, names and layout, which ruff and import-linter cannot check."""

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

TOP_LEVEL = {
    "app", "migrations", "tests", "alembic.ini", "pyproject.toml", "uv.lock", "Dockerfile",
    "docker-compose.dev.yml", ".env.example", "README.md", ".ci", ".gitignore", ".dockerignore", "LICENSE",
    "CONTRIBUTING.md",
}  # fmt: skip
APP_FOLDERS = {
    "api",
    "cli",
    "container",
    "external",
    "models",
    "repositories",
    "schemas",
    "services",
    "static",
    "tasks",
    "utils",
}
APP_FILES = {
    "__init__", "main", "worker", "scheduler", "cli", "broker", "config", "errors", "logs",
}  # fmt: skip
SURFACES = {"core", "tracker", "anilibria", "hianime", "internal"}
API_FOLDERS = {"middleware", "openapi"}
UPSTREAMS = {"jikan", "anilist", "anilibria", "hianime", "mangadex", "node"}
EXTERNAL_FOLDERS = {"base", "list_files", "catalogue_dumps"}
LAYER_WORDS = {
    "service",
    "services",
    "repository",
    "router",
    "routes",
    "model",
    "models",
    "schema",
    "handler",
}
EMPTY_WORDS = {"manager", "helper", "helpers", "process", "data", "info", "common", "misc"}
ESTABLISHED_NAMES = {"ClientInfo"}  # an established term
LINES_OF_A_FILE = 400
LINES_OF_A_FUNCTION = {"app": 40, "tests": 60}
LINES_OF_A_ROUTE = 10


@cache
def tracked() -> tuple[Path, ...]:
    """Every file that is tracked or would be added."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return tuple(path for name in listed.split("\0") if name and (path := ROOT / name).is_file())


def python_files(*folders: str) -> Iterator[Path]:
    for path in tracked():
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in folders:
            yield path


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions_of(path: Path) -> Iterator[Function]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def routes() -> Iterator[tuple[str, Function]]:
    for path in python_files("app"):
        if name_of(path).startswith("app/api/"):
            for function in functions_of(path):
                if any(ast.unparse(mark).startswith("router.") for mark in function.decorator_list):
                    yield f"{name_of(path)}:{function.name}", function


def body_of(function: Function) -> list[ast.stmt]:
    return function.body[1:] if ast.get_docstring(function) and len(function.body) > 1 else function.body


def words_of(name: str) -> set[str]:
    return set(re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower().split("_"))


def test_the_checks_find_files_and_routes() -> None:
    assert len(list(python_files("app"))) > 50
    assert len(list(routes())) > 5


def test_top_level_entries_are_the_agreed_ones() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in tracked()} <= TOP_LEVEL


def test_application_folders_are_the_agreed_ones() -> None:
    places = [path.relative_to(ROOT / "app").parts for path in python_files("app")]
    assert {parts[0] for parts in places if len(parts) > 1} <= APP_FOLDERS
    assert {Path(parts[0]).stem for parts in places if len(parts) == 1} <= APP_FILES
    assert {parts[1] for parts in places if parts[0] == "api" and len(parts) > 2} <= SURFACES | API_FOLDERS
    assert {parts[1] for parts in places if parts[0] == "schemas" and len(parts) > 2} <= SURFACES | {"domain"}
    assert {
        parts[1] for parts in places if parts[0] == "external" and len(parts) > 2
    } <= UPSTREAMS | EXTERNAL_FOLDERS


def test_files_are_short() -> None:
    lines = {
        name_of(path): path.read_text().count("\n") for path in python_files("app", "tests", "migrations")
    }
    assert {name: count for name, count in lines.items() if count > LINES_OF_A_FILE} == {}


def test_functions_are_short() -> None:
    long = {
        f"{name_of(path)}:{function.name}": length
        for folder, allowed in LINES_OF_A_FUNCTION.items()
        for path in python_files(folder)
        for function in functions_of(path)
        if (length := (function.end_lineno or 0) - function.lineno + 1) > allowed
    }
    assert long == {}


def test_routes_are_at_most_ten_lines() -> None:
    long = {}
    for name, function in routes():
        body = body_of(function)
        length = (body[-1].end_lineno or 0) - body[0].lineno + 1
        if length > LINES_OF_A_ROUTE:
            long[name] = length
    assert long == {}


def test_routes_contain_no_branches() -> None:
    branches = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.Match)
    branching = [
        name
        for name, function in routes()
        for statement in body_of(function)
        if any(isinstance(node, branches) for node in ast.walk(statement))
    ]
    assert branching == []


def test_routes_have_docstrings() -> None:
    assert [name for name, function in routes() if not ast.get_docstring(function)] == []


def test_module_docstrings_are_one_line() -> None:
    wrong = []
    for path in python_files("app", "tests", "migrations"):
        text = ast.get_docstring(tree_of(path), clean=False)
        if tree_of(path).body and (not text or "\n" in text.strip() or not text.endswith((".", "?", "…"))):
            wrong.append(name_of(path))
    assert wrong == []


def test_file_names_do_not_repeat_their_layer() -> None:
    layers = ("app/api/", "app/services/", "app/repositories/", "app/models/", "app/tasks/", "app/schemas/")
    named = [name_of(path) for path in python_files("app") if name_of(path).startswith(layers)]
    assert [name for name in named if words_of(Path(name).stem) & LAYER_WORDS] == []


def test_names_contain_no_empty_words() -> None:
    empty = []
    for path in python_files("app"):
        names = [path.stem]
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                names.append(node.name)
        named = (name for name in names if name not in ESTABLISHED_NAMES)
        empty += [f"{name_of(path)}: {name}" for name in named if words_of(name) & EMPTY_WORDS]
    assert empty == []


def test_test_folders_mirror_the_application() -> None:
    misplaced = []
    for path in python_files("tests"):
        folder = path.relative_to(ROOT / "tests").parent
        if folder.parts and folder.parts[0] in APP_FOLDERS and not (ROOT / "app" / folder).is_dir():
            misplaced.append(name_of(path))
    assert misplaced == []


MARKS = ["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]


def test_there_are_no_todo_comments() -> None:
    pattern = re.compile(rf"\b({'|'.join(MARKS)})\b")
    texts = {name_of(path): path.read_text(errors="replace") for path in tracked() if path.suffix != ".lock"}
    left = [
        name for name, text in texts.items() if not name.startswith("tests/samples/") and pattern.search(text)
    ]
    assert left == []


@pytest.mark.skipif(ROOT.parent in {Path("/"), Path("/tmp"), Path.home()}, reason="the path is too generic")
def test_no_file_contains_a_path_of_this_machine() -> None:
    places = [f"{ROOT.parent}/", f"{Path.home()}/.pyenv"]
    texts = {name_of(path): path.read_text(errors="replace") for path in tracked()}
    assert [name for name, text in texts.items() if any(place in text for place in places)] == []


def test_every_noqa_has_a_reason() -> None:
    bare = re.compile(r"#\s*noqa(:\s*[A-Z0-9, ]+)?\s*$", re.MULTILINE)
    files = [path for path in python_files("app", "tests", "migrations") if path != Path(__file__)]
    assert [name_of(path) for path in files if bare.search(path.read_text())] == []
