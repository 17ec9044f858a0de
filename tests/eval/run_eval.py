"""Runs the vqt-eval that was built, and reads what it wrote."""

import json
import os
import re
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


def without_busy(stderr: str) -> str:
    """Without the warnings that vqt-eval adds where other processes use the CPUs."""
    return re.sub(r"[^\n]*: the machine was busy: [^\n]*\n", "", stderr)
