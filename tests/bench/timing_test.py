"""The harness: who runs on which copy of a weight, how many copies there are, what its sums say."""

import time

import pytest

from bench import linears, peers, sweep, timing


def test_all_run_in_turns_on_the_copies_in_order() -> None:
    seen: list[tuple[str, int]] = []
    runs = {name: (lambda turn, name=name: seen.append((name, turn))) for name in "ab"}
    timing.in_turns(runs, turns=2, seconds=60, settle=0)
    one_round = [("a", 0), ("a", 1), ("b", 0), ("b", 1)]
    assert seen == [("a", 0), ("b", 0), *one_round, *[(name, turn + 2) for name, turn in one_round]]


def test_the_least_counts_and_a_long_call_is_not_woken() -> None:
    pauses = iter([0.08, 0.06, 0.07])
    best = timing.in_turns({"slow": lambda turn: time.sleep(next(pauses))}, turns=2, seconds=60, settle=0)
    assert 0.06 <= best["slow"] < 0.07


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
    assert many["notes"]["ort_int8"].startswith("not run: more than 5 times float32's time with 1 rows")
