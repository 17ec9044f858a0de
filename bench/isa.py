"""Forced instruction sets: int8 and float32 in a process of its own under VQT_ISA.

VQT_ISA=avx2 python -m bench.isa --threads 2 --rows 1374
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

from . import linears, machine, peers
from .peers import Peer

SHAPES = [(1024, 1024), (1024, 4096), (4096, 1024)]
ROWS = [197, 1374]
SLOW_ROWS = {"ref": [16], "amx": [64]}  # plain code, and AMX's path on a CPU without it: seconds at more
FORCEABLE = "amx"  # goes through torch, whatever the CPU has


def chosen(rows: int) -> list[type[Peer]]:
    return [peers.TorchFloat, peers.OursInt8, peers.OursInt4g128]


def forced(
    names: Sequence[str], here: Sequence[str], threads: int, say: Callable[[str], None], rows: Sequence[int] = ROWS,
    shapes: Sequence[tuple[int, int]] = SHAPES,
) -> list[dict[str, Any]]:  # fmt: skip
    """One entry for each instruction set: {isa, entries} or {isa, note}."""
    found = []
    for name in names:
        if name not in here and name != FORCEABLE:
            found.append({"isa": name, "note": "this CPU does not have it"})
            continue
        wanted = rows if name in here and name != "ref" else SLOW_ROWS[name]
        command = [sys.executable, "-m", "bench.isa", "--threads", str(threads), "--rows", *map(str, wanted)]
        command += ["--shapes", *(f"{k}x{n}" for k, n in shapes)]
        try:
            done = subprocess.run(
                ["env", f"VQT_ISA={name}", *command], cwd=machine.ROOT, capture_output=True, text=True, timeout=240
            )
        except subprocess.TimeoutExpired:
            found.append({"isa": name, "note": "took more than 240 s"})
            continue
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["no message"]
            found.append({"isa": name, "note": f"failed: {lines[-1][:160]}"})
            continue
        found.append({"isa": name, "entries": json.loads(done.stdout.splitlines()[-1])})
        say(f"VQT_ISA={name}: done")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.isa")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS)
    parser.add_argument("--shapes", nargs="+", default=[f"{k}x{n}" for k, n in SHAPES])
    args = parser.parse_args()
    import torch

    torch.set_num_threads(args.threads)
    entries = []
    for shape in args.shapes:
        k, n = map(int, shape.split("x"))
        entries += linears.measure_shape(
            k, n, args.rows, args.threads, machine.last_cache_bytes(), lambda text: None, chosen, {}, 6.0
        )
    print(json.dumps(entries))


if __name__ == "__main__":
    main()
