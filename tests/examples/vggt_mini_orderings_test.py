"""Known orderings of schemes on the trained mini VGGT. docs/vggt_mini/orderings.json says which hold by a margin."""

import json
import math
import sys
import warnings
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

pytest.importorskip("vqt", reason="needs the built package (make build)")

from examples.vggt_mini.evaluate import WEIGHTS, load_model  # noqa: E402
from examples.vggt_mini.orderings import (  # noqa: E402
    Measured,
    Ordering,
    Scheme,
    judge,
    measure,
    orderings,
    relative_rmse,
)  # fmt: skip
from examples.vggt_mini.page import SCENES, load_scenes  # noqa: E402

MEASURED = ROOT / "docs/vggt_mini/orderings.json"
LEAST = 1.05  # factor in the worst scene from which on an ordering is a test: below, a scene may turn with rounding
SCENES_USED = 2
CLAIMS = {(o.claim, o.better.activation): o for o in orderings()}
GROUPS = [Scheme(f"int4 g{size}", "none") for size in (32, 64, 128)]
CHANNEL, TENSOR = Scheme("int8 channel", "none"), Scheme("int8 tensor", "none")
INT16 = Scheme("int16 channel", "none")

needs_weights = pytest.mark.skipif(not WEIGHTS.exists(), reason=f"{WEIGHTS.relative_to(ROOT)} is not there (make train-mini)")


def held() -> list[Ordering]:
    if not MEASURED.exists():
        return []
    said = json.loads(MEASURED.read_text())["orderings"]
    return [
        CLAIMS[o["claim"], o["better"]["activation"]] for o in said
        if o["verdict"] == "by a margin" and o["least"] >= LEAST and (o["claim"], o["better"]["activation"]) in CLAIMS
    ]  # fmt: skip


@pytest.fixture(scope="module")
def results() -> dict[Scheme, Measured]:
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        model = torch.jit.script(load_model(WEIGHTS))
    used = {scheme for o in held() for scheme in (o.better, o.worse)} | {CHANNEL, TENSOR, INT16, *GROUPS}
    scenes = load_scenes(SCENES)[:SCENES_USED]
    return measure(model, scenes, used - set(GROUPS), layers=False) | measure(model, scenes, GROUPS, layers=True)


@needs_weights
@pytest.mark.parametrize("better, worse", [(CHANNEL, TENSOR), (GROUPS[0], GROUPS[1]), (GROUPS[1], GROUPS[2]), (CHANNEL, GROUPS[0]),
                                           (TENSOR, GROUPS[0]), (INT16, CHANNEL)], ids=lambda s: s.weights)  # fmt: skip
def test_stored_weights_are_ordered_in_every_site(results: dict[Scheme, Measured], better: Scheme, worse: Scheme) -> None:
    good, bad = results[better].weight_sqnr, results[worse].weight_sqnr
    assert good.keys() == bad.keys() and len(good) == 58
    # The 9 numbers of a pose are one group whatever its size: equal there, and only there.
    not_better = [name for name in good if not good[name] > bad[name] and name != "camera_head.embed_pose"]
    assert not not_better


@needs_weights
@pytest.mark.parametrize("better, worse", [(GROUPS[0], GROUPS[1]), (GROUPS[1], GROUPS[2])], ids=lambda s: s.weights)
def test_layers_are_ordered_in_most_sites(results: dict[Scheme, Measured], better: Scheme, worse: Scheme) -> None:
    layers = judge(Ordering("layers", better, worse), results).layers
    assert layers.count == 58
    assert layers.agree >= 0.8 * layers.count
    assert layers.factor > 1.03


@needs_weights
def test_outputs_int16_int8_int4(results: dict[Scheme, Measured]) -> None:
    for better, worse, least in ((INT16, CHANNEL, 30), (CHANNEL, GROUPS[0], 3), (TENSOR, GROUPS[0], 2)):
        judged = judge(Ordering("bits", better, worse), results)
        assert judged.least > least, (better, worse, judged)
        assert judged.outputs.agree == judged.outputs.count


@needs_weights
@pytest.mark.parametrize("ordering", held(), ids=lambda o: f"{o.claim}-{o.better.activation}")
def test_what_the_page_says_to_hold_by_a_margin(results: dict[Scheme, Measured], ordering: Ordering) -> None:
    judged = judge(ordering, results)
    assert judged.least > 1, judged
    assert judged.size_holds, judged


@needs_weights
def test_archives_are_ordered_by_bits(results: dict[Scheme, Measured]) -> None:
    sizes = [results[scheme].bytes for scheme in (INT16, CHANNEL, *GROUPS)]
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) == len(sizes)


def measured(errors: list[list[float]], size: int, sqnr: list[float]) -> Measured:
    names = [f"site{i}" for i in range(len(sqnr))]
    by_scene = {f"room{i}": dict(zip(("depth", "world_points", "pose_enc"), e)) for i, e in enumerate(errors)}
    return Measured(by_scene, size, dict(zip(names, sqnr)), {})


def test_judge_by_hand() -> None:
    good, bad = Scheme("int8 channel"), Scheme("int4 g64")
    results = {good: measured([[1, 1, 1], [2, 2, 2]], 200, [40, 30]), bad: measured([[2, 4, 1], [4, 2, 1]], 100, [20, 36])}
    judged = judge(Ordering("o", good, bad), results)
    assert judged.scenes.factor == pytest.approx(math.sqrt(2))  # (2 * 4 * 1 * 2 * 1 * 0.5) ^ (1/6) = 8^(1/6)
    assert judged.least == pytest.approx(1.0)  # the second scene: (2 * 1 * 0.5) ^ (1/3)
    assert (judged.outputs.agree, judged.outputs.count, judged.scenes.agree) == (3, 6, 1)
    assert judged.verdict == "narrowly"
    assert (judged.weights.agree, judged.weights.count) == (1, 2)
    assert judged.weights.factor == pytest.approx(10 ** ((20 - 6) / 40))
    assert judged.archive == 2 and judged.size_holds and not judge(Ordering("o", bad, good), results).size_holds
    assert judge(Ordering("o", bad, good), results).verdict == "no"
    assert judge(Ordering("o", good, good, strict=False), results).verdict == "as good"


def test_relative_rmse_by_hand() -> None:
    assert relative_rmse(torch.tensor([3.0, 5.0]), torch.tensor([3.0, 4.0])) == pytest.approx(math.sqrt(0.5) / math.sqrt(12.5))


def test_claims_are_told_apart() -> None:
    assert len(CLAIMS) == len(orderings())
    assert len({json.dumps(asdict(o)) for o in orderings()}) == len(orderings())
