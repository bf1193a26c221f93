"""Print the coverage of lines and branches, and fail below the bounds."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

BOUNDS = {"lines": 95.0, "branches": 90.0}  # per cent

with tempfile.TemporaryDirectory() as folder:
    report = Path(folder) / "coverage.json"
    subprocess.run([sys.executable, "-m", "coverage", "json", "-q", "-o", report], check=True)
    totals = json.loads(report.read_text())["totals"]
covered = {
    "lines": 100 * totals["covered_lines"] / totals["num_statements"],
    "branches": 100 * totals["covered_branches"] / totals["num_branches"],
}
for name, percent in covered.items():
    sys.stdout.write(f"coverage of {name}: {percent:.1f} % (at least {BOUNDS[name]:.0f} %)\n")
sys.exit(any(percent < BOUNDS[name] for name, percent in covered.items()))
