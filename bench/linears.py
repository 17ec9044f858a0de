"""Linear layers of VGGT's shapes: vqt, torch's float32 and every baseline, at few rows and at many."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from . import peers, timing
from .peers import Peer

SHAPES = [
    (1024, 1024), (1024, 3072), (1024, 4096), (4096, 1024), (2048, 2048), (2048, 6144), (2048, 8192), (8192, 2048),
]  # fmt: skip
ROWS = [1, 4, 16, 197, 1374, 2748]
TURNS = {1: 25, 4: 25, 16: 20, 197: 9, 1374: 4, 2748: 3}
SECONDS = 14.0  # for one shape and number of rows, after which two turns are enough
# A peer that takes more than this many times float32's time, and that long, is not run with more rows.
GIVE_UP, GIVE_UP_SECONDS, GIVE_UP_AT_ONCE = 3.0, 0.02, 3.0

Say = Callable[[str], None]


def plan(rows: int) -> list[type[Peer]]:
    """What is compared at this number of rows. int4 and weight-only are not asked about at every size."""
    variants: list[type[Peer]] = [peers.TorchFloat, peers.OursInt8, *peers.INT8, peers.OursInt4g64, peers.OursInt4g128]
    if rows != 2748:
        variants += peers.INT4
    if rows in (1, 4, 1374):
        variants += [peers.OursWeightInt8, peers.OursWeightInt4]
    return variants


def problem(k: int, n: int, rows: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(k + n)
    x = torch.randn(rows, k, generator=generator)
    return torch.randn(n, k, generator=generator) / k**0.5, torch.randn(n, generator=generator), x


def reason(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:160]}"


def errors(threads: int, rows: int = 16, k: int = 1024, n: int = 1024) -> dict[str, float]:
    """Relative error (Frobenius) against float64 of everything that runs here: what is compared computes the same."""
    w, bias, x = problem(k, n, rows)
    exact = (x.double() @ w.double().T + bias.double()).numpy()
    found = {}
    for key, peer in peers.ALL.items():
        try:
            built = peer(w, bias, x, 1, threads)
            got = built.array(built.bind(x)(0))
            found[key] = float(np.linalg.norm(got - exact) / np.linalg.norm(exact))
        except Exception:  # whatever a peer cannot do here is reported where it is timed
            continue
    return found


def measure_shape(
    k: int, n: int, rows: Sequence[int], threads: int, last_cache: int, say: Say,
    chosen: Callable[[int], list[type[Peer]]] = plan, turns: dict[int, int] = TURNS, seconds: float = SECONDS,
) -> list[dict[str, Any]]:  # fmt: skip
    """One entry for each number of rows: {k, n, m, seconds: {variant: s}, notes: {variant: why it has no time}}."""
    w, bias, x_all = problem(k, n, max(rows))
    wanted = list(dict.fromkeys(v for m in rows for v in chosen(m)))
    count = timing.copies((v.bits / 8 * k * n for v in chosen(min(rows))), last_cache)
    built: dict[str, Peer] = {}
    dropped: dict[str, str] = {}
    for variant in wanted:
        try:
            built[variant.key] = variant(w, bias, x_all[:64], count, threads)
        except Exception as error:  # a peer that is not installed or does not run here becomes a line on the page
            dropped[variant.key] = reason(error)
    entries = []
    for m in sorted(rows):
        x = x_all[:m].contiguous()
        begin = time.perf_counter()
        runs, first, notes = {}, {}, {}
        for variant in chosen(m):
            key = variant.key
            if key in dropped:
                notes[key] = dropped[key]
                continue
            try:
                run = built[key].bind(x)
                taken = timing.clocked(run, 0)
            except Exception as error:
                notes[key] = reason(error)
                continue
            if variant.ours or taken < max(GIVE_UP_AT_ONCE, GIVE_UP * first.get("float32", 0)):
                runs[key], first[key] = run, taken
            else:
                notes[key] = dropped[key] = f"given up after one call of {taken:.1f} s with {m} rows"
        best = timing.in_turns(runs, turns.get(m, 5), seconds, first=first)
        for key, taken in best.items():
            slow = taken > GIVE_UP_SECONDS and taken > GIVE_UP * best.get("float32", taken)
            if slow and not peers.ALL[key].ours:
                dropped[key] = f"not run: more than {GIVE_UP:g} times float32's time with {m} rows"
                built.pop(key, None)
        entries.append({"k": k, "n": n, "m": m, "seconds": best, "notes": notes, "copies": count})
        say(f"linear {m} x {k} -> {n}: {time.perf_counter() - begin:.1f} s, {len(runs)} variants, {count} copies")
    return entries
