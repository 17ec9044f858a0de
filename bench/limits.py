"""What the machine can do: the register-only rate, and the product alone, out of the benchmarks in C++."""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import Any

from . import machine


def rates(threads: int, quick: bool) -> dict[str, Any]:
    """{register: multiply-adds a second, product: {int8: [{m, k, n, share}]} or empty}."""
    binary = machine.ROOT / "build/bin/product_bench"
    env = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    command = [str(binary), "--threads", str(threads), *(["--quick"] if quick else [])]
    if binary.exists():
        done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True, env=env)
        return parse(json.loads(done.stdout))
    command = [str(machine.ROOT / "build/bin/linear_bench"), "--quick", "--threads", str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True, env=env)
    found = re.search(r"registers alone: ([0-9.]+) G multiply-adds", done.stdout)
    return {"register": float(found[1]) * 1e9 if found else 0.0, "product": {}}


def parse(found: dict[str, Any]) -> dict[str, Any]:
    raise NotImplementedError(found)
