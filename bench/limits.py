"""The machine's limits: the register-only rate, and the product alone, from the benchmark in C++."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from . import machine


def rates(threads: int, quick: bool) -> dict[str, Any]:
    """{register: multiply-adds per second, product: {int8: [{m, k, n, rate, share}]}}; product: empty without VNNI."""
    binary = machine.ROOT / "build/bin/product_bench"
    command = [str(binary), "--threads", str(threads), *(["--quick"] if quick else [])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    if done.returncode:
        raise RuntimeError(f"product_bench: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
    return json.loads(done.stdout)
