"""The part `attention`: what each variant computes, and its errors."""

import pytest
import torch
import torch.nn.functional as F

from bench import attention


def test_variants_compute_one_thing() -> None:
    x = attention.projection(2, 40)
    q, k, v = attention.split(x)
    exact = F.scaled_dot_product_attention(q.double(), k.double(), v.double())
    found = {name: run(0) for name, run in attention.variants(x).items()}
    error = {name: ((y - exact).norm() / exact.norm()).item() for name, y in found.items()}
    assert error["float32"] < 1e-6
    assert 0.001 < error["bfloat16"] < 0.01 and found["bfloat16"].dtype == torch.bfloat16
    assert 0.003 < error["vqt_int8"] < 0.02
    assert torch.equal(found["vqt_int8_prologue"], found["vqt_int8_after_rotary"])
    assert error["vqt_int8_prologue"] > 0.1  # q and k are rotated
    assert list(found) == list(attention.LABELS)


def test_measures_every_variant() -> None:
    said: list[str] = []
    (entry,) = attention.measure(said.append, ((2, 33),), turns=1)
    assert (entry["sequences"], entry["tokens"], entry["heads"], entry["size"]) == (2, 33, 16, 64)
    assert set(entry["seconds"]) == set(attention.LABELS) and all(s > 0 for s in entry["seconds"].values())
    for data in ("normal", "outliers"):
        assert entry["errors"][data]["float32"] < entry["errors"][data]["bfloat16"] < 0.05
        assert entry["errors"][data]["vqt_int8"] < 0.05
    assert said == ["attention: 2 x 33 tokens"]


@pytest.mark.parametrize("part", [0, 1, 2])
def test_outliers_are_in_q_k_and_v(part: int) -> None:
    x = attention.projection(1, 20)
    hard = attention.with_outliers(x)
    assert hard[:, :, part].abs().max() > 1.5 * x[:, :, part].abs().max()
