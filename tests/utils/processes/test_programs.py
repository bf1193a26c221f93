"""The bytecode cache of programs that start together."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
PROBE = """
import sys
from pathlib import Path
from app.utils.processes.programs import cache_bytecode
cache_bytecode(Path(sys.argv[1]), unless_compiled=sys.argv[2])
import slow_to_compile
import subprocess
subprocess.run([sys.executable, "-c", "import also_slow"], check=True)
"""


def run(folder: Path, *, writes: bool, compiled: bool = False) -> set[str]:
    """The bytecode files that a program and its child leave behind, by folder."""
    sources, kept = folder / "sources", folder / "kept"
    sources.mkdir()
    for name in ("slow_to_compile", "also_slow"):
        (sources / f"{name}.py").write_text("x = 1")
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{sources}"}
    environment.pop("PYTHONPYCACHEPREFIX", None)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    if compiled:
        subprocess.run([sys.executable, "-m", "compileall", "-q", str(sources)], check=True, env=environment)
    if not writes:
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
    command = [sys.executable, "-c", PROBE, str(kept), "slow_to_compile"]
    subprocess.run(command, env=environment, cwd=folder, check=True)
    found = {path for path in folder.rglob("*.pyc") if "slow" in path.name}
    return {f"{path.relative_to(folder).parts[0]} {path.name.split('.')[0]}" for path in found}


def test_bytecode_goes_to_a_cache_folder_where_writing_is_disabled(tmp_path: Path) -> None:
    assert run(tmp_path, writes=False) == {"kept slow_to_compile", "kept also_slow"}


def test_bytecode_is_written_next_to_the_source_by_default(tmp_path: Path) -> None:
    assert run(tmp_path, writes=True) == {"sources slow_to_compile", "sources also_slow"}


def test_existing_bytecode_is_used(tmp_path: Path) -> None:
    assert run(tmp_path, writes=False, compiled=True) == {"sources slow_to_compile", "sources also_slow"}
