"""nn.MultiheadAttention and the layers made of it: packed projections, shared functions, native fast paths."""

from typing import Optional

import pytest
import torch
import vqt
from pass_check import WEIGHT_ONLY, check, quantized_names, save_and_load, sites, sqnr_db
from torch import Tensor, nn


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


class SelfAttention(nn.Module):
    def __init__(self, **options) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(32, 4, **options)

    def forward(self, x: Tensor) -> Tensor:
        return self.attn(x, x, x)[0]


class CrossAttention(nn.Module):
    def __init__(self, **options) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(32, 4, **options)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return self.attn(q, k, k)[0] + self.attn(q, k, v)[0]


def native_ops(module: torch.jit.ScriptModule) -> list[str]:
    names = ("_native_multi_head_attention", "_transformer_encoder_layer_fwd", "_nested_tensor_from_mask(")
    text = "".join(m.inlined_graph.__str__() for m in [module])
    return [name for name in names if name in text]


@pytest.mark.parametrize("batch_first", [False, True])
def test_scripted_self_attention(batch_first: bool) -> None:
    model = SelfAttention(batch_first=batch_first)
    loaded = check(model, torch.randn(2, 6, 32), quantized=["attn", "attn.out_proj"])
    assert native_ops(loaded) == [] and native_ops(torch.jit.script(model)) == ["_native_multi_head_attention"]
    assert "in_proj_weight_q" in dict(loaded.attn.named_buffers()) and not hasattr(loaded.attn, "in_proj_weight")


@pytest.mark.parametrize("batch_first", [False, True])
def test_scripted_cross_attention(batch_first: bool) -> None:
    q, k = (torch.randn(2, 6, 32), torch.randn(2, 9, 32)) if batch_first else (torch.randn(6, 2, 32), torch.randn(9, 2, 32))
    model = CrossAttention(batch_first=batch_first)
    check(model, q, k, torch.randn(k.shape), quantized=["attn", "attn.out_proj"])


def test_attention_with_other_key_and_value_sizes() -> None:
    model = CrossAttention(batch_first=True, kdim=24, vdim=24)
    names = ["attn.q_proj_weight", "attn.k_proj_weight", "attn.v_proj_weight", "attn.out_proj"]
    check(model, torch.randn(2, 6, 32), torch.randn(2, 9, 24), torch.randn(2, 9, 24), quantized=names)


def test_two_attentions_of_one_type_with_two_schemes() -> None:
    model = nn.Sequential(SelfAttention(batch_first=True), SelfAttention(batch_first=True))
    config = {"overrides": [{"targets": ["0.attn"], "bits": 16}], "ignore": ["1.attn.out_proj"]}
    check(model, torch.randn(2, 6, 32), config=config, quantized=["0.attn", "0.attn.out_proj", "1.attn"])


def test_an_attention_left_float_keeps_its_fast_path() -> None:
    model = nn.Sequential(SelfAttention(batch_first=True), nn.Linear(32, 32))
    loaded = check(model, torch.randn(2, 6, 32), config={"ignore": ["attention"]}, quantized=["1"])
    assert native_ops(loaded) == ["_native_multi_head_attention"]


def test_unbatched_input_and_masks() -> None:
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attn = nn.MultiheadAttention(32, 4, batch_first=True)

        def forward(self, x: Tensor, padding: Optional[Tensor] = None, mask: Optional[Tensor] = None) -> Tensor:
            y, weights = self.attn(x, x, x, key_padding_mask=padding, attn_mask=mask, average_attn_weights=False)
            assert weights is not None
            return y + weights.sum()

    x = torch.randn(2, 6, 32)
    padding = torch.tensor([[False] * 6, [False] * 4 + [True] * 2])
    mask = torch.triu(torch.ones(6, 6, dtype=torch.bool), 1)
    check(Masked(), quantized=["attn", "attn.out_proj"], runs=lambda m: [m(x), m(x, padding), m(x, None, mask), m(x[0])])


@pytest.mark.parametrize("cross", [False, True])
@pytest.mark.parametrize("bias", [False, True])  # without: torch cannot script it
def test_traced_attention(cross: bool, bias: bool) -> None:
    model = (CrossAttention if cross else SelfAttention)(batch_first=True, bias=bias).eval()
    inputs = (torch.randn(2, 6, 32), torch.randn(2, 9, 32), torch.randn(2, 9, 32)) if cross else (torch.randn(2, 6, 32),)
    traced = torch.jit.trace(model, inputs, check_trace=False)  # with gradients on: not the fast path
    assert native_ops(traced) == []
    check(model, *inputs, scripted=traced, quantized=["attn", "attn.out_proj"])


def test_a_traced_fast_path_stays_float_with_that_reason() -> None:
    model = nn.Sequential(SelfAttention(batch_first=True), nn.Linear(32, 32)).eval()
    x = torch.randn(2, 6, 32)
    with torch.no_grad():
        traced = torch.jit.trace(model, x)
    assert native_ops(traced) == ["_native_multi_head_attention"]
    result = vqt.quantize(traced, WEIGHT_ONLY)
    assert quantized_names(result) == ["1"]
    with torch.no_grad():
        assert sqnr_db(model(x), save_and_load(result)(x)) > 30
        layer = torch.jit.trace(nn.TransformerEncoderLayer(32, 4, 48, batch_first=True).eval(), x)
    with pytest.raises(vqt.QuantizeError, match="no Linear layer to quantize"):
        vqt.quantize(layer, WEIGHT_ONLY)


def test_a_weight_shared_with_a_traced_fast_path() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attn = nn.MultiheadAttention(32, 4, batch_first=True)
            self.fc = nn.Linear(32, 32)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(self.attn(x, x, x)[0]) + self.attn.out_proj(x)

    model, x = Both().eval(), torch.randn(2, 6, 32)
    with torch.no_grad():
        result = vqt.quantize(torch.jit.trace(model, x), WEIGHT_ONLY)
    assert quantized_names(result) == ["fc"]
    assert "traced native fast path" in sites(result)["attn.out_proj"].reason


LAYER = ["self_attn", "self_attn.out_proj", "linear1", "linear2"]


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("norm_first", [False, True])
def test_encoder_layer(batch_first: bool, norm_first: bool) -> None:
    model = nn.TransformerEncoderLayer(32, 4, 48, batch_first=batch_first, norm_first=norm_first)
    loaded = check(model, torch.randn(2, 6, 32), quantized=LAYER)
    assert native_ops(loaded) == []


def test_encoder_layer_of_which_one_linear_is_quantized() -> None:
    model = nn.TransformerEncoderLayer(32, 4, 48, batch_first=True)
    config = {"ignore": ["self_attn", "linear2"]}
    loaded = check(model, torch.randn(2, 6, 32), config=config, quantized=["linear1"])
    assert native_ops(loaded) == ["_native_multi_head_attention"]  # the layer's is gone, the attention's may stay


@pytest.mark.parametrize("ignore", [[], ["layers.0"], ["layers.0", "layers.1.self_attn"]])
def test_encoder_with_padding(ignore: list[str]) -> None:
    model = nn.TransformerEncoder(nn.TransformerEncoderLayer(32, 4, 48, batch_first=True), 2)
    for parameter in model.layers[1].parameters():  # else a copy of the first layer's
        nn.init.normal_(parameter, std=0.2)
    x = torch.randn(2, 6, 32)
    padding = torch.tensor([[False] * 6, [False] * 4 + [True] * 2])
    keep = (~padding).unsqueeze(-1)
    names = [f"layers.{i}.{name}" for i in range(2) for name in LAYER]
    names = [n for n in names if not any(n == i or n.startswith(i + ".") for i in ignore)]
    # Where padding is, the nested fast path gives zeros and the other one numbers nobody reads.
    loaded = check(
        model, config={"ignore": ignore}, quantized=names, tolerance=1e-4, runs=lambda m: [m(x), m(x, None, padding) * keep]
    )
    assert "_nested_tensor_from_mask(" not in native_ops(loaded)


def test_decoder_layer() -> None:
    model = nn.TransformerDecoderLayer(32, 4, 48, batch_first=True)
    names = [*LAYER, "multihead_attn", "multihead_attn.out_proj"]
    check(model, torch.randn(2, 6, 32), torch.randn(2, 9, 32), quantized=names)


def test_traced_encoder() -> None:
    model = nn.TransformerEncoder(nn.TransformerEncoderLayer(32, 4, 48, batch_first=True), 2).eval()
    x = torch.randn(2, 6, 32)
    traced = torch.jit.trace(model, x, check_trace=False)
    check(model, x, scripted=traced, quantized=[f"layers.{i}.{name}" for i in range(2) for name in LAYER])


def test_frozen_attention() -> None:
    model = SelfAttention(batch_first=True).eval()
    x = torch.randn(2, 6, 32)
    frozen = torch.jit.freeze(torch.jit.script(model))
    result = vqt.quantize(frozen, WEIGHT_ONLY)
    assert len(quantized_names(result)) == 2
    with torch.no_grad():
        assert sqnr_db(model(x), save_and_load(result)(x)) > 30


def test_frozen_encoder() -> None:
    model = nn.TransformerEncoder(nn.TransformerEncoderLayer(32, 4, 48, batch_first=True), 2).eval()
    for parameter in model.layers[1].parameters():  # else freezing makes one of the two layers' equal weights
        nn.init.normal_(parameter, std=0.2)
    x = torch.randn(2, 6, 32)
    padding = torch.tensor([[False] * 6, [False] * 4 + [True] * 2])
    frozen = torch.jit.freeze(torch.jit.script(model))
    result = vqt.quantize(frozen, WEIGHT_ONLY)
    assert len(quantized_names(result)) == 8 and native_ops(result) == []
    keep = (~padding).unsqueeze(-1)
    with torch.no_grad():
        loaded = save_and_load(result)
        assert sqnr_db(model(x), loaded(x)) > 30
        assert sqnr_db(model(x, None, padding) * keep, loaded(x, None, padding) * keep) > 30


def test_attention_cast_to_bfloat16() -> None:
    model = SelfAttention(batch_first=True).eval()
    x = torch.randn(2, 6, 32)
    result = vqt.quantize(torch.jit.script(model), {"skip_first_last": False})
    with torch.no_grad():
        y = result.to(torch.bfloat16)(x.bfloat16())
        assert y.dtype == torch.bfloat16 and sqnr_db(model(x), y.float()) > 25
