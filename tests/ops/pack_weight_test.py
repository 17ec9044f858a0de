"""pack_weight and unpack_weight: every scheme and layout comes back bit for bit, and damage is named."""

import pytest
import qref
import torch
from qref import Scheme

ops = torch.ops.vqt
SHAPES = [(1, 1), (1, 9), (3, 9), (16, 64), (17, 31), (15, 8), (33, 128), (2, 256)]


def quantized(s: Scheme, n: int, k: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    x = torch.from_numpy(qref.weights(n, k)["normal"])
    scale, zero = ops.choose_qparams(x, *s.args)
    return ops.quantize(x, scale, zero, *s.args), scale, zero


def has_panels(s: Scheme, k: int) -> bool:
    """Where the CPU's fast kernels apply."""
    row_wise = s.granularity != "group" or s.group_size == -1 or s.group_size >= k
    return (s.bits == 8 and row_wise) or (
        s.bits == 4 and (row_wise or s.group_size % 8 == 0)
    )


def has_tiles(s: Scheme, k: int) -> bool:
    """Where the CUDA kernels apply."""
    return s.bits == 8 and has_panels(s, k)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("s", qref.SCHEMES, ids=str)
def test_round_trip(s: Scheme, shape: tuple[int, int]) -> None:
    n, k = shape
    weight = quantized(s, n, k)
    for layout in ["auto", "canonical"] + ["cpu"] * has_panels(s, k) + ["cuda"] * has_tiles(s, k):
        packed = ops.pack_weight(*weight, *s.args, k=k, layout=layout)
        assert packed.dtype == torch.uint8
        assert packed.shape[0] == n  # the linears read N off the shape
        back = ops.unpack_weight(packed, k, *s.args)
        assert all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(back, weight, strict=True))
    auto = ops.pack_weight(*weight, *s.args, k=k)
    assert torch.equal(auto, ops.pack_weight(*weight, *s.args, k=k, layout="cpu" if has_panels(s, k) else "canonical"))


@pytest.mark.parametrize("s", [s for s in qref.SCHEMES if not has_panels(s, 9)], ids=str)
def test_cpu_layout_is_refused_where_it_does_not_apply(s: Scheme) -> None:
    with pytest.raises(ValueError, match=r'layout: expected canonical or auto, as .*, got "cpu"'):
        ops.pack_weight(*quantized(s, 3, 9), *s.args, k=9, layout="cpu")


@pytest.mark.parametrize("s", [s for s in qref.SCHEMES if not has_tiles(s, 9)], ids=str)
def test_cuda_layout_is_refused_where_it_does_not_apply(s: Scheme) -> None:
    with pytest.raises(ValueError, match=r'layout: expected canonical or auto, as the CUDA kernels .*, got "cuda"'):
        ops.pack_weight(*quantized(s, 3, 9), *s.args, k=9, layout="cuda")


@pytest.mark.parametrize("activation", ["dynamic", "none"])
@pytest.mark.parametrize("symmetric", [True, False])
def test_the_cpu_runs_a_weight_packed_for_cuda(symmetric: bool, activation: str) -> None:
    s = Scheme(8, symmetric)
    weight = quantized(s, 70, 130)
    x = torch.randn(5, 130)
    cuda, cpu = (ops.pack_weight(*weight, *s.args, layout=layout) for layout in ("cuda", "cpu"))
    assert not torch.equal(cuda.flatten()[: cpu.numel()], cpu.flatten())
    expected = ops.linear_int8(x, cpu, activation=activation, row_begin=3, row_end=68)
    assert torch.equal(ops.linear_int8(x, cuda, activation=activation, row_begin=3, row_end=68), expected)


def test_a_row_may_be_called_a_group_of_k() -> None:
    s = Scheme(4, False, "group", -1)
    packed = ops.pack_weight(*quantized(s, 5, 24), *s.args)
    assert torch.equal(
        ops.unpack_weight(packed, 24, 4, False, "group", 24)[0], ops.unpack_weight(packed, 24, *s.args)[0]
    )


def test_strided_arguments() -> None:
    s = Scheme(8, False)
    q, scale, zero = quantized(s, 20, 33)
    packed = ops.pack_weight(q, scale, zero, *s.args)
    strided = (
        q.t().contiguous().t(),
        torch.stack([scale, scale], 1)[:, 0],
        torch.stack([zero, zero], 1)[:, 0],
    )
    assert torch.equal(ops.pack_weight(*strided, *s.args), packed)
    assert torch.equal(ops.unpack_weight(packed.t().contiguous().t(), 33, *s.args)[0], q)


def test_survives_module_to_and_half(tmp_path) -> None:
    """A packed weight is bytes: .half() and .to(bfloat16) of the module that owns it leave it alone."""
    s = Scheme(4, True, "group", 32)
    weight = quantized(s, 8, 64)
    module = torch.nn.Module()
    module.register_buffer("weight", ops.pack_weight(*weight, *s.args))
    module.half().to(torch.bfloat16)
    assert all(torch.equal(a, b) for a, b in zip(ops.unpack_weight(module.weight, 64, *s.args), weight, strict=True))


GOOD = Scheme(8, True)
Q, S, Z = torch.ones(3, 10, dtype=torch.int8), torch.ones(3), torch.zeros(3, dtype=torch.int32)
PACKED = ops.pack_weight(Q, S, Z, *GOOD.args)
MAGIC = PACKED.clone()
MAGIC[0, 0] = 0
VERSION = PACKED.clone()
VERSION[0, 4] = 77
ERRORS = [
    (
        lambda: ops.pack_weight(Q.float(), S, Z, *GOOD.args),
        TypeError,
        "vqt::pack_weight: weight: expected int8 [N, K], got float32 [3, 10]",
    ),
    (
        lambda: ops.pack_weight(Q, S, Z, 8, False, "per_channel"),
        TypeError,
        "weight: expected uint8 [N, K], got int8 [3, 10]",
    ),
    (
        lambda: ops.pack_weight(Q, S[:1], Z[:1], 4, True, "per_tensor"),
        TypeError,
        "weight: expected uint8 [N, ceil(K/2)], got int8 [3, 10]",
    ),
    (
        lambda: ops.pack_weight(Q[0], S[:1], Z[:1], 8, True, "per_tensor"),
        ValueError,
        "weight: expected int8 [N, K], got int8 [10]",
    ),
    (
        lambda: ops.pack_weight(Q, S[:2], Z, *GOOD.args),
        ValueError,
        "scale: expected float32 [3], got float32 [2]",
    ),
    (
        lambda: ops.pack_weight(Q, -S, Z, *GOOD.args),
        ValueError,
        "scale: expected positive finite numbers, got -1.000000 at 0",
    ),
    (lambda: ops.pack_weight(Q, S, Z, *GOOD.args, k=9), ValueError, "k: expected 10, got 9"),
    (
        lambda: ops.pack_weight(Q.byte(), S, Z, 4, True, "per_channel", k=21),
        ValueError,
        "k: expected 19 or 20, got 21",
    ),
    (
        lambda: ops.pack_weight(Q[:0], S[:0], Z[:0], *GOOD.args),
        ValueError,
        "weight: expected at least one row and column, got int8 [0, 10]",
    ),
    (
        lambda: ops.pack_weight(Q, S, Z, *GOOD.args, layout="tpu"),
        ValueError,
        'layout: expected auto, cpu, cuda or canonical, got "tpu"',
    ),
    (
        lambda: ops.unpack_weight(PACKED.float(), 10, *GOOD.args),
        TypeError,
        "packed: expected a packed weight (uint8 [N, bytes a row], made by vqt::pack_weight), got float32",
    ),
    (lambda: ops.unpack_weight(PACKED[0], 10, *GOOD.args), ValueError, "too small"),
    (lambda: ops.unpack_weight(PACKED[:, :8], 10, *GOOD.args), ValueError, "too small"),
    (lambda: ops.unpack_weight(PACKED[:2], 10, *GOOD.args), ValueError, "it is cut short"),
    (
        lambda: ops.unpack_weight(torch.cat([PACKED, PACKED]), 10, *GOOD.args),
        ValueError,
        "it is longer than its header says",
    ),
    (lambda: ops.unpack_weight(PACKED.reshape(1, -1), 10, *GOOD.args), ValueError, "its header says 3 rows"),
    (lambda: ops.unpack_weight(MAGIC, 10, *GOOD.args), ValueError, "it does not start with VQTW"),
    (
        lambda: ops.unpack_weight(VERSION, 10, *GOOD.args),
        ValueError,
        "it was packed by another version of vqt; pack it again",
    ),
    (
        lambda: ops.unpack_weight(PACKED, 10, 8, True, "per_tensor"),
        ValueError,
        "per_tensor with 10 columns, got one of 8 bits symmetric per_channel with 10 columns",
    ),
    (
        lambda: ops.unpack_weight(PACKED, 10, 8, False, "per_channel"),
        ValueError,
        "expected a weight of 8 bits asymmetric per_channel",
    ),
    (
        lambda: ops.unpack_weight(PACKED, 9, *GOOD.args),
        ValueError,
        "with 9 columns, got one of 8 bits symmetric per_channel with 10 columns",
    ),
    (
        lambda: ops.unpack_weight(PACKED, 10, 4, True, "group", 8),
        ValueError,
        "expected a weight of 4 bits symmetric group of 8",
    ),
    (lambda: ops.unpack_weight(PACKED, 0, *GOOD.args), ValueError, "k: expected 1 or more, got 0"),
]


@pytest.mark.parametrize(("call", "error", "text"), ERRORS, ids=[text[:60] for _, _, text in ERRORS])
def test_errors(call, error, text) -> None:
    with pytest.raises(error) as caught:
        call()
    first = str(caught.value).split("\n")[0]
    assert first.startswith("vqt::")
    assert text in first


def test_any_flipped_header_bit_is_an_error_or_harmless() -> None:
    """Every bit of the 43 header bytes in use: read without a crash, never as another weight in silence."""
    for byte in range(43):
        for bit in range(8):
            damaged = PACKED.clone()
            damaged.view(-1)[byte] ^= 1 << bit
            with pytest.raises(ValueError, match="vqt::unpack_weight: packed: expected"):
                ops.unpack_weight(damaged, 10, *GOOD.args)


def test_a_weight_of_version_1_whose_groups_run_on_from_row_to_row_still_runs() -> None:
    """Three scales for 2 x 96 values, as builds before short last groups stored them."""
    q = torch.randint(0, 256, (2, 48), dtype=torch.uint8)
    scale, zero = torch.tensor([0.5, 2.0, 8.0]), torch.zeros(4, dtype=torch.int32)
    packed = ops.pack_weight(q, torch.ones(4), zero, 4, True, "group", 64, layout="canonical")
    block = packed.view(-1)
    assert block[4].item() == 2
    block[4] = 1  # version
    block[64 : 64 + 12] = scale.view(torch.uint8)
    integers = torch.stack([q & 15, q >> 4], -1).reshape(2, 96).int()
    weight = torch.where(integers >= 8, integers - 16, integers) * scale[torch.arange(192) // 64].reshape(2, 96)
    x = torch.randn(5, 96)
    torch.testing.assert_close(ops.linear_int4(x, packed, activation="none"), x @ weight.T)
    assert (ops.linear_int4(x, packed) - x @ weight.T).abs().max() < 0.05 * (x @ weight.T).abs().max()
    with pytest.raises(ValueError, match="whose groups run on from row to row; quantize the model again"):
        ops.unpack_weight(packed, 96, 4, True, "group", 64)
