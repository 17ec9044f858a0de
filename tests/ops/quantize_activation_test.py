"""quantize_activation: what it stands for, that it is the linears' own quantization, and that only whole ones pass."""

import numpy as np
import pytest
import qref
import torch

ops = torch.ops.vqt
MODES = [dict(), dict(activation_symmetric=True), dict(activation="static", x_scale=0.03, x_zero_point=117),
         dict(activation="static", x_scale=0.031, activation_symmetric=True)]


def stands_for(q: torch.Tensor, k: int) -> torch.Tensor:
    """(q - zero) * scale, through a linear whose weight is the identity."""
    return ops.linear_int8(q, torch.eye(k, dtype=torch.int8), None, torch.ones(1))


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_values(mode):
    for rows, k in [(1, 5), (13, 40), (25, 67), (30, 64)]:
        x = torch.randn(rows, k, generator=torch.Generator().manual_seed(k)) * 1.3 + 0.2
        q = ops.quantize_activation(x, **mode)
        assert q.dtype == torch.uint8 and q.shape == (rows, (k + 7) // 8 * 8 + 12 + k % 8)
        symmetric = mode.get("activation_symmetric", False)
        if "x_scale" in mode:
            scale = np.float32(mode["x_scale"])
            want = qref.static_activation(x.numpy(), scale, mode.get("x_zero_point", 0), symmetric).astype(np.float32) * scale
        else:
            values, scale, zero = ops.quantize_per_token(x, symmetric)
            want = ((values.int() - zero).float() * scale).numpy()
        np.testing.assert_array_equal(stands_for(q, k).numpy(), want)


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_shapes_dtypes_and_strides(mode, dtype):
    for shape in [(8,), (1, 8), (0, 8), (2, 3, 20), (2, 0, 20), (2, 1, 5, 20)]:
        x = torch.randn(shape).to(dtype)
        q = ops.quantize_activation(x, **mode)
        assert q.shape == (*shape[:-1], (shape[-1] + 7) // 8 * 8 + 12 + shape[-1] % 8)
        assert torch.equal(q, ops.quantize_activation(x.float(), **mode))
    wide = torch.randn(6, 4, 40).to(dtype)
    for view in [wide.transpose(0, 1), wide[::2], wide[..., ::2], wide[..., :20], wide[0].t(), wide[:1].expand(3, 4, 40)]:
        assert torch.equal(ops.quantize_activation(view, **mode), ops.quantize_activation(view.contiguous(), **mode))


def test_every_byte_is_defined():
    """Twice the same bits, and the padding is 0, whatever the memory held."""
    x = torch.randn(14, 35)
    x[3, 4] = float("nan")
    first = ops.quantize_activation(x)
    for _ in range(20):
        torch.full((14 * 55,), 0xEE, dtype=torch.uint8)  # its memory is likely to be the next result's
        assert torch.equal(ops.quantize_activation(x), first)
    assert stands_for(first, 35)[3].isnan().all()


def test_a_reader_of_another_depth_is_found_out():
    """9 to 16 columns take 16 bytes each; the block's size tells them apart."""
    for k in range(1, 34):
        q = ops.quantize_activation(torch.randn(3, k))
        for other in {*range(max(1, k - 17), k + 17)} - {k}:
            with pytest.raises((ValueError, RuntimeError), match=f"a quantized activation of the weight's {other} columns"):
                stands_for(q, other)


def test_leading_sizes_may_be_reshaped():
    x, w = torch.randn(2, 15, 64), torch.randint(-127, 127, (20, 64), dtype=torch.int8)
    q = ops.quantize_activation(x)
    y = ops.linear_int8(x, w, None, torch.ones(1))
    assert torch.equal(ops.linear_int8(q.view(30, 76), w, None, torch.ones(1)), y.view(30, 20))
    assert torch.equal(ops.linear_int8(q.clone(), w, None, torch.ones(1)), y)
    moved = torch.zeros(q.numel() + 1, dtype=torch.uint8)[1:].view(q.shape).copy_(q)  # at an odd address
    assert torch.equal(ops.linear_int8(moved, w, None, torch.ones(1)), y)


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_opcheck(mode):
    for x in [torch.randn(2, 3, 20), torch.randn(64).bfloat16(), torch.randn(20, 5).t()]:
        torch.library.opcheck(ops.quantize_activation.default, (x,), mode)


@pytest.mark.parametrize("kw, x, text", [
    (dict(activation="none"), torch.randn(2, 8), r"activation: expected dynamic or static, got \"none\""),
    (dict(activation="static"), torch.randn(2, 8), r"x_scale: expected a positive float32 with activation=\"static\", got 0"),
    (dict(x_scale=0.1), torch.randn(2, 8), r"x_scale: expected 0 with activation=\"dynamic\""),
    (dict(), torch.randn(2, 8).int(), r"x: expected float32, bfloat16 or float16, got int32 \[2, 8\]"),
    (dict(), torch.tensor(1.0), r"x: expected at least 1 dimension, got float32 \[\]"),
], ids=str)  # fmt: skip
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_errors(kw, x, text, device):
    with pytest.raises((ValueError, TypeError, RuntimeError), match="vqt::quantize_activation: " + text):
        ops.quantize_activation(x.to(device), **kw)
