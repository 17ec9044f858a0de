"""How anything here is timed: all variants in turns in one process, each on cold weights, the least of the repeats.

Each variant's turn: wait until the threads of the one before sleep, one call that is not counted (wakes its threads,
brings its code back), one that is; both on the next copies of the weight. There are as many copies as it takes for
a weight to come round again only after twice the last cache has been read.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping

from .peers import Run

SETTLE = 0.003  # seconds; GOMP_SPINCOUNT in __main__ lets OpenMP's threads spin for less
LONG = 0.05  # calls of more seconds than this need no waking call
CALLS = 2  # a turn


def copies(weight_bytes: Iterable[float], last_cache: int) -> int:
    """Copies of every weight, for a round through all of them to pass twice the last cache."""
    return max(CALLS, CALLS * math.ceil(2 * last_cache / (CALLS * sum(weight_bytes))))


def clocked(run: Run, turn: int) -> float:
    begin = time.perf_counter()
    run(turn)
    return time.perf_counter() - begin


def in_turns(
    runs: Mapping[str, Run],
    turns: int,
    seconds: float,
    settle: float = SETTLE,
    first: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """The least time of each: `turns` rounds through all, or two where they take more than `seconds`.

    first: times of a first call of each, where the caller has made one.
    """
    begin = time.perf_counter()
    best = {name: first[name] if first else clocked(run, 0) for name, run in runs.items()}
    for turn in range(turns):
        for name, run in runs.items():
            time.sleep(settle)
            if best[name] < LONG:
                run(CALLS * turn)
            best[name] = min(best[name], clocked(run, CALLS * turn + 1))
        if turn >= 1 and time.perf_counter() - begin > seconds:
            break
    return best


def geometric_mean(values: Iterable[float]) -> float:
    logs = [math.log(v) for v in values]
    return math.exp(sum(logs) / len(logs)) if logs else math.nan
