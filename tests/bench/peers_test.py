"""Everything the benchmark times computes y = x W^T + b, against float64, within what its number of bits allows."""

import importlib.util

import numpy as np
import pytest
import torch

from bench import peers

# Relative error (Frobenius) on normal random numbers: 8 bits a row give 0.8 %, groups of 128 of 4 bits 11.8 %. A CPU
# without VNNI adds up to 2.5 % where a peer's 16-bit sums of two products saturate (ONNX Runtime, OpenVINO), or where
# a bit of x is given up against that (torch.ao).
LIMITS = {32: 1e-5, 8: 0.04, 4: 0.14}
OURS = {8: 0.013, 4: 0.125}


def problem(rows: int) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(0)
    return torch.randn(96, 256), torch.randn(96), torch.randn(rows, 256)


@pytest.mark.parametrize("rows", [1, 33])
@pytest.mark.parametrize("key", list(peers.ALL))
def test_computes_the_linear(key: str, rows: int) -> None:
    peer = peers.ALL[key]
    for package in filter(None, (peer.package, "onnx" if peer.package == "onnxruntime" else "")):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed: make bench installs it")
    w, bias, x = problem(rows)
    exact = (x.double() @ w.double().T + bias.double()).numpy()
    built = peer(w, bias, x, copies=2, threads=1)
    run = built.bind(x)
    limit = OURS.get(peer.bits, LIMITS[peer.bits]) if peer.ours else LIMITS[peer.bits]
    for turn in range(3):  # both copies of the weight
        got = np.array(peer.array(run(turn)))
        assert got.shape == exact.shape
        error = np.linalg.norm(got - exact) / np.linalg.norm(exact)
        assert error < limit, (key, rows, turn, error)


def test_a_peer_takes_another_number_of_rows() -> None:
    w, bias, x = problem(8)
    for key in ("float32", "vqt_int8", "torch_int_mm"):
        built = peers.ALL[key](w, bias, x, 1, 1)
        all_rows, two = built.array(built.bind(x)(0)), built.array(built.bind(x[:2].contiguous())(0))
        np.testing.assert_allclose(two, all_rows[:2], rtol=1e-5, atol=1e-5)


def test_groups_of_four_bits_by_hand() -> None:
    w = torch.tensor([[7.0, -3.5, 0.0, 1.0, 14.0, 2.0, -14.0, 0.9]])
    q, scale = peers.per_group(w, 4)
    assert q.tolist() == [[7, -4, 0, 1, 7, 1, -7, 0]]  # -3.5 rounds to the even -4
    assert scale.tolist() == [[1.0, 2.0]]
