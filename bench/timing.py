"""How everything here is timed: all variants in turns in one process, on cold weights, the shortest of the repeats.

Each round has an order of its own: what runs before a variant leaves its mark on caches, memory and clock rate. A
variant's turn: wait until the threads of the one before sleep, one call that is not counted (wakes its threads,
brings its code back), one that is; both on the next copies of the weight. There are as many copies as it takes for
a weight to come round again only after twice the last cache has been read.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterable, Mapping

from .peers import Run

SETTLE = 0.003  # seconds; GOMP_SPINCOUNT in __main__ lets OpenMP's threads spin for less
LONG = 0.05  # calls of more seconds than this need no waking call
CALLS = 2  # a turn
MORE, SETTLED = 1, 1.03


def copies(weight_bytes: Iterable[float], last_cache: int) -> int:
    """Copies of every weight, for a round through all of them to pass twice the last cache."""
    return max(CALLS, CALLS * math.ceil(2 * last_cache / (CALLS * sum(weight_bytes))))


def clocked(run: Run, turn: int) -> float:
    begin = time.perf_counter()
    run(turn)
    return time.perf_counter() - begin


def shuffled(names: Iterable[str], order: random.Random) -> list[str]:
    return order.sample(found := list(names), len(found))


def in_turns(
    runs: Mapping[str, Run],
    turns: int,
    seconds: float,
    settle: float = SETTLE,
    first: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """The least time of each: `turns` rounds through all, or two where they take more than `seconds`.

    Then up to MORE times as many rounds through those whose two least times are not SETTLED yet: a neighbour on the
    same machine slows whole seconds down.
    first: times of a first call of each, where the caller has made one.
    """
    begin, order = time.perf_counter(), random.Random(0)
    taken = {name: [first[name] if first else clocked(run, 0)] for name, run in runs.items()}
    for turn in range((1 + MORE) * turns):
        now = runs if turn < turns else [name for name, times in taken.items() if times[1] > SETTLED * times[0]]
        for name in shuffled(now, order):
            time.sleep(settle)
            if taken[name][0] < LONG:
                runs[name](CALLS * turn)
            taken[name] = sorted([*taken[name], clocked(runs[name], CALLS * turn + 1)])[:2]
        if not now or (turn >= 1 and time.perf_counter() - begin > seconds):
            break
    return {name: times[0] for name, times in taken.items()}


def geometric_mean(values: Iterable[float]) -> float:
    logs = [math.log(v) for v in values]
    return math.exp(sum(logs) / len(logs)) if logs else math.nan
