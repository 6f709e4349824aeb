"""docs/performance.md says what the benchmarks measured."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RESULTS = sorted((ROOT / "scripts" / "benchmarks" / "results").glob("*.json"))


def test_the_table_is_what_the_kept_figures_say():
    checked = subprocess.run([sys.executable, "scripts/performance.py", "--check"], cwd=ROOT, text=True)
    assert checked.returncode == 0


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_kept_figures_say_where_and_when_they_were_measured(path):
    kept = json.loads(path.read_text())
    assert kept["date"] > "2026" and kept["machine"]["cores"] >= 1 and kept["libraries"]["torch"]
    assert kept["rows"] and all(row["ratio"] > 0 and row["what"] and row["measured"] for row in kept["rows"])
