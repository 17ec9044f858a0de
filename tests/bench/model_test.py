"""What the whole-model part makes of its processes' answers."""

from typing import Any

from bench.model import in_turns


class Answers:
    """Stands for a process with a model: answers in order."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.loaded = {"imported": 1, "loaded": 2}
        self.answers = list(answers)
        self.asked: list[str] = []

    def ask(self, what: str) -> dict[str, Any]:
        self.asked.append(what)
        return self.answers.pop(0)


def test_the_profiler_counts_neither_in_time_nor_in_memory() -> None:
    worker = Answers(
        {"seconds": 9.0, "peak": 50},
        {"seconds": 8.0, "peak": 51},
        {"seconds": 7.0, "peak": 99, "kinds": {"linears": 3.0}},
    )
    found = in_turns({"a": worker}, 2, lambda text: None)["a"]
    assert worker.asked == ["run", "run", "profile"]
    assert found["seconds"] == 8.0
    assert found["peak"] == 51
    assert found["kinds"] == {"linears": 3.0}


def test_models_take_turns_in_changing_order() -> None:
    seen: list[str] = []

    class Named(Answers):
        def __init__(self, name: str) -> None:
            super().__init__(*[{"seconds": 1.0, "peak": 1, "kinds": {}} for _ in range(9)])
            self.name = name

        def ask(self, what: str) -> dict[str, Any]:
            seen.append(self.name)
            return super().ask(what)

    in_turns({name: Named(name) for name in "abc"}, 8, lambda text: None)
    rounds = [seen[3 * turn : 3 * turn + 3] for turn in range(9)]
    assert all(sorted(order) == ["a", "b", "c"] for order in rounds)
    assert len({"".join(order) for order in rounds}) > 3
