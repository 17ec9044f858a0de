"""The harness: who runs on which copy of a weight, how many copies there are, what its sums say."""

import time

import pytest

from bench import linears, peers, sweep, timing


def test_all_run_in_turns_on_the_copies_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "MORE", 0)
    seen: list[tuple[str, int]] = []
    runs = {name: (lambda turn, name=name: seen.append((name, turn))) for name in "abc"}
    timing.in_turns(runs, turns=8, seconds=60, settle=0)
    assert seen[:3] == [("a", 0), ("b", 0), ("c", 0)]
    rounds = [seen[3 + 6 * turn : 9 + 6 * turn] for turn in range(8)]
    for turn, calls in enumerate(rounds):
        assert sorted(calls) == [(name, 2 * turn + call) for name in "abc" for call in (0, 1)]
        assert all(calls[i][0] == calls[i + 1][0] for i in (0, 2, 4))  # the waking call, then the one that counts
    orders = {"".join(name for name, _ in calls[::2]) for calls in rounds}
    assert len(orders) > 3  # none has the same neighbour in each round


def given(monkeypatch: pytest.MonkeyPatch, **times: list[float]) -> tuple[dict[str, peers.Run], dict[str, list[float]]]:
    """Runs that take the given times, one after the other, of a clock that stands still otherwise."""
    clock = [0.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock[0])

    def run(name: str) -> peers.Run:
        def call(turn: int) -> None:
            clock[0] += times[name].pop(0)

        return call

    return {name: run(name) for name in times}, times


def test_the_least_counts_and_a_long_call_is_not_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    runs, left = given(monkeypatch, slow=[0.08, 0.0601, 0.0602, 1.0])
    assert timing.in_turns(runs, turns=2, seconds=60, settle=0)["slow"] == pytest.approx(0.0601)
    assert left == {"slow": [1.0]}


def test_what_has_not_settled_gets_more_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    # b: 0.1 once, then a neighbour is busy until the fourth round finds 0.102
    runs, left = given(monkeypatch, a=[0.2, 0.2, 0.2, 1.0], b=[0.1, 0.3, 0.2, 0.3, 0.102, 1.0])
    best = timing.in_turns(runs, turns=2, seconds=60, settle=0)
    assert best == {"a": pytest.approx(0.2), "b": pytest.approx(0.1)}
    assert left == {"a": [1.0], "b": [1.0]}


def test_more_rounds_end_at_twice_as_many(monkeypatch: pytest.MonkeyPatch) -> None:
    runs, left = given(monkeypatch, a=[0.9**i for i in range(12)])
    assert timing.in_turns(runs, turns=2, seconds=60, settle=0)["a"] == pytest.approx(0.9**4)
    assert len(left["a"]) == 12 - 1 - 2 * 2


def test_two_turns_are_enough_where_time_is_up() -> None:
    seen = []
    timing.in_turns({"a": seen.append}, turns=9, seconds=0, settle=0)
    assert len(seen) == 1 + 2 * timing.CALLS


@pytest.mark.parametrize(
    ("weights", "cache", "expected"),
    [([1 << 20] * 8, 32 << 20, 8), ([64 << 20], 32 << 20, 2), ([3 << 20], 32 << 20, 22)],
)
def test_copies_fill_twice_the_last_cache(weights: list[int], cache: int, expected: int) -> None:
    assert timing.copies(weights, cache) == expected
    assert timing.copies(weights, cache) * sum(weights) >= 2 * cache


def test_geometric_mean_by_hand() -> None:
    assert timing.geometric_mean([1, 2, 4]) == pytest.approx(2)
    assert timing.geometric_mean([0.5, 8]) == pytest.approx(2)


def test_buckets_compare_with_the_best_smaller_number_of_rows() -> None:
    ratios = sweep.buckets({1: 4.0, 2: 4.0, 3: 7.5, 4: 7.2})  # a row: 4, 2, 2.5, 1.8
    assert ratios == {2: pytest.approx(0.5), 3: pytest.approx(1.25), 4: pytest.approx(0.9)}


def test_a_slow_peer_is_dropped_and_others_go_on() -> None:
    class Slow(peers.TorchFloat):
        key, label = "ort_int8", "slow"

        def bind(self, x):
            return lambda turn: time.sleep(0.03)

    class Missing(peers.TorchFloat):
        key, label = "torchao", "missing"

        def __init__(self, *args: object) -> None:
            raise ModuleNotFoundError("No module named 'missing'")

    def chosen(rows: int) -> list[type[peers.Peer]]:
        return [peers.TorchFloat, Slow, Missing]

    few, many = linears.measure_shape(32, 16, [1, 2], 1, 1 << 20, lambda text: None, chosen, {1: 1, 2: 1})
    assert set(few["seconds"]) == {"float32", "ort_int8"}
    assert few["notes"] == {"torchao": "ModuleNotFoundError: No module named 'missing'"}
    assert set(many["seconds"]) == {"float32"}
    assert many["notes"]["ort_int8"].startswith("not run: more than 3 times float32's time with 1 rows")
