"""Rows from 1 to 512: cliffs between neighbours, and the fastest runtime at few rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from . import linears, peers, timing
from .peers import Peer

SHAPE = (2048, 2048)  # the camera head's width
SMALL = [(2048, 2048), (2048, 8192)]
SMALL_ROWS = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64]
PASSES = 3
CLIFF = 1.10
WAKE = 64  # calls with fewer rows are short: one that does not count goes first
OURS: list[type[Peer]] = [peers.OursInt8, peers.OursInt4g128]


def buckets(times: dict[int, float]) -> dict[int, float]:
    """For each number of rows: time per row against the best of all smaller numbers of rows."""
    ratios, best = {}, float("inf")
    for m in sorted(times):
        per_row = times[m] / m
        if best < float("inf"):
            ratios[m] = per_row / best
        best = min(best, per_row)
    return ratios


def every_row(
    threads: int, last_cache: int, say: Callable[[str], None], rows: Sequence[int] = range(1, 513),
    passes: int = PASSES, shape: tuple[int, int] = SHAPE,
) -> dict[str, Any]:  # fmt: skip
    """{k, n, seconds: {variant: {m: s}}}. Row counts that look like a cliff are measured again: noise is like one."""
    (k, n), begin = shape, time.perf_counter()
    w, bias, x_all = linears.problem(k, n, max(rows))
    count = timing.copies((v.bits / 8 * k * n for v in OURS), last_cache)
    built = [v(w, bias, x_all, count, threads) for v in OURS]
    best: dict[str, dict[int, float]] = {v.key: {} for v in OURS}

    turn = 0

    def visit(m: int, repeats: int) -> None:
        nonlocal turn
        x = x_all[:m].contiguous()
        for peer in built:
            run, least = peer.bind(x), best[peer.key].get(m, float("inf"))
            if m <= WAKE:  # on another copy than the call that counts, which shall find its weights cold
                turn += 1
                run(turn)
            for _ in range(repeats):
                turn += 1
                least = min(least, timing.clocked(run, turn))
            best[peer.key][m] = least

    for _ in range(passes):
        for m in rows:
            visit(m, 1)
    for _ in range(3):
        suspects = {m for times in best.values() for m, ratio in buckets(times).items() if ratio > CLIFF - 0.03}
        for m in sorted(suspects):
            visit(m, 8)
    say(f"sweep {rows[0]}..{rows[-1]} x {k} -> {n}: {time.perf_counter() - begin:.1f} s")
    return {"k": k, "n": n, "seconds": {key: {str(m): s for m, s in sorted(t.items())} for key, t in best.items()}}


def few_rows(
    threads: int, last_cache: int, say: Callable[[str], None], rows: Sequence[int] = SMALL_ROWS,
    shapes: Sequence[tuple[int, int]] = SMALL, turns: int = 6,
) -> list[dict[str, Any]]:  # fmt: skip
    """int8 against every peer at 1 to 64 rows: entries as of linears.measure_shape."""

    def chosen(m: int) -> list[type[Peer]]:
        return [peers.TorchFloat, peers.OursInt8, *peers.INT8]

    entries = []
    for k, n in shapes:
        entries += linears.measure_shape(k, n, rows, threads, last_cache, say, chosen, dict.fromkeys(rows, turns), 4.0)
    return entries
