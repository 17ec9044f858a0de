"""Runs the vqt-eval that was built, and reads what it wrote."""

import json
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("VQT_BUILD_DIR", ROOT / "build"))
EVAL, QUANTIZE, OPS = BUILD / "bin/vqt-eval", BUILD / "bin/vqt-quantize", BUILD / "lib/libvqt_ops.so"


def run(*arguments: object, code: int = 0) -> subprocess.CompletedProcess:
    done = subprocess.run([str(EVAL), *map(str, arguments)], capture_output=True, text=True, timeout=600)
    assert done.returncode == code, f"{arguments}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def results(folder: Path) -> dict:
    return json.loads((folder / "results.json").read_text())
