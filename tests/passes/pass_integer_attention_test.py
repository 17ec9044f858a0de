"""Config field `attention`: which forms become vqt::attention, what stays torch's and why, and that numbers hold."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Optional

import pytest
import torch
import torch.nn.functional as F
import vqt
from pass_check import flatten, save_and_load, sqnr_db
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from examples.vggt.layers import Attention as VggtAttention  # noqa: E402

CONFIG = {"attention": "int8", "skip_first_last": False}
WIDTH, HEADS = 64, 2


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


class Fused(nn.Module):
    """timm's Attention on torch's op, with one choice of how it is called."""

    def __init__(self, call: str = "") -> None:
        super().__init__()
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.attn_drop = nn.Dropout(0.1)
        self.scale, self.heads = 0.3, HEADS
        self.call = call

    def forward(self, x: Tensor, mask: Optional[Tensor] = None) -> Tensor:
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        if self.call == "scale":
            y = F.scaled_dot_product_attention(q, k, v, scale=self.scale)
        elif self.call == "causal":
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        elif self.call == "mask":
            y = F.scaled_dot_product_attention(q, k, v, torch.ones(n, n, dtype=torch.bool).tril())
        elif self.call == "argument":
            y = F.scaled_dot_product_attention(q, k, v, mask)
        elif self.call == "dropout":
            y = F.scaled_dot_product_attention(q, k, v, None, 0.1)
        else:
            y = F.scaled_dot_product_attention(q, k, v, dropout_p=self.attn_drop.p if self.training else 0.0)
        return self.proj(y.transpose(1, 2).reshape(b, n, c))


class Timm(nn.Module):
    """timm's Attention without torch's op."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.heads = (WIDTH // HEADS) ** -0.5, HEADS
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.attn_drop, self.proj_drop = nn.Dropout(0.1), nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        q = q * self.scale
        attn = q @ k.transpose(-2, -1)
        attn = attn.softmax(dim=-1)
        attn = self.attn_drop(attn)
        x = attn @ v
        return self.proj_drop(self.proj(x.transpose(1, 2).reshape(b, n, c)))


class Transformers(nn.Module):
    """BERT's and ViT's self-attention of transformers: eager, with modules for softmax and dropout."""

    def __init__(self, reads_weights: bool = False, bias: bool = False, view: bool = False) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.dropout, self.softmax = nn.Dropout(0.1), nn.Softmax(dim=-1)
        self.reads_weights, self.bias, self.view = reads_weights, bias, view
        self.heads, self.head_size = HEADS, WIDTH // HEADS

    def split(self, x: Tensor) -> Tensor:
        return x.view(x.size(0), x.size(1), self.heads, self.head_size).permute(0, 2, 1, 3)

    def forward(self, x: Tensor, context: Optional[Tensor] = None) -> Tensor:
        read = x if context is None else context
        q, k, v = self.split(self.query(x)), self.split(self.key(read)), self.split(self.value(read))
        scores = torch.matmul(q, k.transpose(-1, -2)) / math.sqrt(self.head_size)
        if self.bias:
            scores = scores + scores.detach().tanh()
        probabilities = self.dropout(self.softmax(scores))
        y = torch.matmul(probabilities, v)
        if self.reads_weights:
            y = y + probabilities.mean()
        if self.view:  # legal: the result of a product is contiguous
            return y.view(x.size(0) * self.heads, x.size(1), self.head_size)
        return y.permute(0, 2, 1, 3).contiguous().view(x.size(0), x.size(1), self.heads * self.head_size)


class Torchvision(nn.Module):
    """torchvision's EncoderBlock: nn.MultiheadAttention without its weights."""

    def __init__(self, need_weights: bool = False) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        self.need_weights = need_weights

    def forward(self, x: Tensor) -> Tensor:
        return self.attn(x, x, x, need_weights=self.need_weights)[0]


class Vggt(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attn = VggtAttention(WIDTH, HEADS, qk_norm=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.attn(x, None)


class Hooked(nn.Module):
    """A model whose attention is a submodule, as they are."""

    def __init__(self, attn: nn.Module) -> None:
        super().__init__()
        self.norm, self.attn = nn.LayerNorm(WIDTH), attn

    def forward(self, x: Tensor) -> Tensor:
        return x + self.attn(self.norm(x))


def attention_rows(module: torch.jit.ScriptModule) -> dict[str, vqt.Site]:
    return {site.name: site for site in vqt.report(module).sites if site.kind == "attention"}


def text_of(module: torch.jit.ScriptModule) -> str:
    return str(module.inlined_graph)


def converted(
    model: nn.Module, *arguments: Tensor, trace: bool = False, config: dict = CONFIG
) -> torch.jit.ScriptModule:
    """Quantized; close to the same without integer attention, before and after save and load."""
    model = model.eval()
    script = torch.jit.trace(model, arguments, check_trace=False) if trace else torch.jit.script(model)
    with torch.no_grad():
        before = vqt.quantize(script, {**config, "attention": "float"})(*arguments)
        result = vqt.quantize(script, config)
        after = result(*arguments)
        for expected, got in zip(flatten(before), flatten(after), strict=True):
            assert sqnr_db(expected, got) > 25
        loaded = save_and_load(result)
        assert all(torch.equal(a, b) for a, b in zip(flatten(after), flatten(loaded(*arguments)), strict=True))
    return loaded


FORMS = {
    "sdpa": lambda: Fused(), "sdpa with a scale": lambda: Fused("scale"), "timm": lambda: Timm(),
    "transformers": lambda: Transformers(), "torchvision": lambda: Torchvision(), "vggt": lambda: Vggt(),
}  # fmt: skip


@pytest.mark.parametrize("trace", [False, True], ids=["scripted", "traced"])
@pytest.mark.parametrize("form", FORMS)
def test_forms_that_become_integers(form: str, trace: bool) -> None:
    x = torch.randn(2, 37, WIDTH)
    model = Hooked(FORMS[form]()).eval()
    loaded = converted(model, x, trace=trace)
    graph = text_of(loaded)
    assert graph.count("vqt::attention(") == 1
    if form != "torchvision":  # decides at run time whether it returns its weights
        assert "aten::softmax" not in graph
    script = torch.jit.trace(model, x, check_trace=False) if trace else torch.jit.script(model)
    report = vqt.report(vqt.quantize(script, CONFIG))
    (row,) = [site for site in report.sites if site.kind == "attention"]
    name = "attn.attn" if form in ("torchvision", "vggt") else "attn"
    assert (row.name, row.action, row.scheme, row.calls) == (name, "quantized", "attention int8", 1)
    described = [site for site in vqt.list_sites(loaded) if site.kind == "attention"]
    assert [(s.name, s.action, s.scheme, s.calls) for s in described] == [(row.name, row.action, row.scheme, row.calls)]
    planned = [site for site in vqt.list_sites(script, vqt.QuantizationConfig(**CONFIG)) if site.kind == "attention"]
    assert [(s.name, s.scheme, s.reason) for s in planned] == [(row.name, row.scheme, row.reason)]


def test_a_frozen_module_has_its_attention_too() -> None:
    x = torch.randn(2, 37, WIDTH)
    script = torch.jit.freeze(torch.jit.script(Hooked(Timm()).eval()))
    with torch.no_grad():
        result = vqt.quantize(script, CONFIG)
        assert sqnr_db(script(x), result(x)) > 25
    assert text_of(result).count("vqt::attention(") == 1
    assert list(attention_rows(result)) == ["attention"]


@pytest.mark.parametrize("trace", [False, True], ids=["scripted", "traced"])
@pytest.mark.parametrize(
    "model, reason",
    [
        (Fused("mask"), "has a mask"),
        (Fused("causal"), "is causal"),
        (Fused("dropout"), "has a dropout that may not be 0"),
        (Transformers(reads_weights=True), "the attention weights are read elsewhere, too"),
        (Transformers(bias=True), "the scores get a mask or a bias (aten::add)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_stays_torchs_and_why(model: nn.Module, reason: str, trace: bool) -> None:
    x = torch.randn(2, 37, WIDTH)
    model = Hooked(model).eval()
    if "dropout" in reason:  # does not give the same twice
        script = torch.jit.script(model)
        result = vqt.quantize(script, CONFIG)
    else:
        result = converted(model, x, trace=trace)
        script = torch.jit.trace(model, x, check_trace=False) if trace else torch.jit.script(model)
    assert "vqt::attention(" not in text_of(result)
    (row,) = attention_rows(vqt.quantize(script, CONFIG)).values()
    assert (row.name, row.action, row.reason) == ("attn", "float", reason)


def test_a_mask_that_may_be_none_is_looked_at_when_it_runs() -> None:
    class Root(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attn = Fused("argument")

        def forward(self, x: Tensor, mask: Optional[Tensor] = None) -> Tensor:
            return self.attn(x, mask)

    x = torch.randn(2, 37, WIDTH)
    mask = torch.ones(37, 37, dtype=torch.bool).tril()
    script = torch.jit.script(Root().eval())
    with torch.no_grad():
        result, plain = vqt.quantize(script, CONFIG), vqt.quantize(script, {**CONFIG, "attention": "float"})
        assert torch.equal(result(x, mask), plain(x, mask))
        assert not torch.equal(result(x), plain(x)) and sqnr_db(plain(x), result(x)) > 25
    (row,) = attention_rows(result).values()
    assert (row.action, row.reason) == ("quantized", "torch's op where it has a mask")


class Masked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)

    def forward(self, x: Tensor, mask: Optional[Tensor] = None) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        return F.scaled_dot_product_attention(q, k, v, mask)


def test_a_mask_that_no_caller_gives_is_none() -> None:
    result = vqt.quantize(torch.jit.script(Hooked(Masked()).eval()), CONFIG)
    (row,) = attention_rows(result).values()
    assert (row.action, row.reason) == ("quantized", "")
    assert "aten::scaled_dot_product_attention" not in str(result.graph)  # the root's copy knows that it is None
    x, mask = torch.randn(2, 37, WIDTH), torch.ones(37, 37, dtype=torch.bool).tril()
    with torch.no_grad():  # on its own the module still takes one
        causal, prefix = result.attn(x, mask), result.attn(x[:, :9], mask[:9, :9])
        torch.testing.assert_close(causal[:, :9], prefix)


def test_attention_weights_that_are_returned_stay_floating_point() -> None:
    x = torch.randn(2, 37, WIDTH)
    (row,) = attention_rows(vqt.quantize(torch.jit.script(Torchvision(need_weights=True).eval()), CONFIG)).values()
    assert (row.action, row.reason) == ("float", "the scores get a mask or a bias in one branch")
    converted(Torchvision(need_weights=True), x)


def test_ignore_keeps_torchs_op() -> None:
    model = nn.Sequential(Fused(), Fused()).eval()
    result = vqt.quantize(torch.jit.script(model), {**CONFIG, "ignore": ["1"]})
    assert {name: row.reason for name, row in attention_rows(result).items()} == {"0": "", "1": 'ignore "1"'}
    assert text_of(result).count("vqt::attention(") == 1


def test_torchs_fast_path_does_not_run_in_its_place() -> None:
    """Its linears stay in floating point, so that only the attention asks for it."""
    model = nn.Sequential(Torchvision(), nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)).eval()
    result = vqt.quantize(torch.jit.script(model), {"attention": "int8", "ignore": ["re:.*out_proj"]})
    assert "aten::_native_multi_head_attention" not in text_of(result) and "vqt::attention(" in text_of(result)
    x = torch.randn(2, 37, WIDTH)
    with torch.no_grad():
        assert 25 < sqnr_db(model[0](x), list(result.children())[0](x)) < 80


def test_cross_attention_of_other_lengths() -> None:
    loaded = converted(Transformers(), torch.randn(2, 9, WIDTH), torch.randn(2, 37, WIDTH))
    assert text_of(loaded).count("vqt::attention(") == 1


def test_a_result_that_is_viewed_is_contiguous() -> None:
    loaded = converted(Transformers(view=True), torch.randn(2, 37, WIDTH))
    assert text_of(loaded).count("vqt::attention(") == 1


def test_bfloat16_is_torchs_op_on_casts() -> None:
    x = torch.randn(2, 37, WIDTH)
    loaded = converted(Hooked(Timm()), x, config={**CONFIG, "attention": "bf16"})
    assert "aten::scaled_dot_product_attention" in text_of(loaded) and "aten::softmax" not in text_of(loaded)
    (row,) = attention_rows(
        vqt.quantize(torch.jit.script(Hooked(Timm()).eval()), {**CONFIG, "attention": "bf16"})
    ).values()
    assert (row.action, row.scheme) == ("float", "attention bf16")


def test_without_the_field_the_model_has_no_rows() -> None:
    result = vqt.quantize(torch.jit.script(Hooked(Timm()).eval()), {"skip_first_last": False})
    assert attention_rows(result) == {} and "aten::softmax" in text_of(result)


def test_a_function_with_attention_is_found_in_each_caller() -> None:
    class Caller(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.qkv = nn.Linear(WIDTH, 3 * WIDTH)

        def forward(self, x: Tensor) -> Tensor:
            q, k, v = self.qkv(x).chunk(3, -1)
            return attend(q, k, v) + attend(k, q, v)

    loaded = converted(Caller(), torch.randn(2, 37, WIDTH))
    assert text_of(loaded).count("vqt::attention(") == 2
    assert list(attention_rows(vqt.quantize(torch.jit.script(Caller().eval()), CONFIG))) == ["attention", "attention_2"]


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return F.softmax(q @ k.transpose(-2, -1), dim=-1) @ v


def test_an_input_measures_error_and_times() -> None:
    x = torch.randn(2, 37, WIDTH)
    for model in (Hooked(Timm()), Hooked(Fused())):
        result = vqt.quantize(torch.jit.script(model.eval()), CONFIG, inputs=[x])
        (row,) = attention_rows(result).values()
        assert 25 < row.output_sqnr_db < 80
        assert row.ms_float > 0 and row.ms_quantized > 0


def test_speed_guard_keeps_what_is_slower() -> None:
    """One query and one key: nothing to gain."""
    x = torch.randn(1, 1, WIDTH)
    model = torch.jit.script(nn.Sequential(nn.Linear(WIDTH, WIDTH), Hooked(Fused())).eval())
    try:
        result = vqt.quantize(model, CONFIG, inputs=[x], speed_guard=True)
    except vqt.QuantizeError:
        pytest.skip("no linear is faster in integers here")
    (row,) = attention_rows(result).values()
    slower = row.ms_quantized > row.ms_float
    assert (row.action == "float") == slower
    if slower:
        assert row.reason.startswith("slower than float here: ")


@pytest.mark.parametrize("linears", [False, True], ids=["none in the model", "all ignored"])
def test_attention_alone_is_work(linears: bool) -> None:
    class Alone(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.LayerNorm(WIDTH)

        def forward(self, x: Tensor) -> Tensor:
            x = self.norm(x)
            return attend(x, x, x)

    x = torch.randn(2, 37, WIDTH)
    model = Hooked(Fused()) if linears else Alone()
    script = torch.jit.script(model.eval())
    config = {**CONFIG, "ignore": ["re:.*(qkv|proj)"]} if linears else CONFIG
    result = save_and_load(vqt.quantize(script, config))
    assert text_of(result).count("vqt::attention(") == 1 and "vqt::linear" not in text_of(result)
    with torch.no_grad():
        assert 25 < sqnr_db(model(x), result(x)) < 80
    with pytest.raises(vqt.QuantizeError, match="no Linear layer to quantize"):
        vqt.quantize(result, config)
    if linears:
        with pytest.raises(vqt.QuantizeError, match="(?s)no Linear layer to quantize.*ignore"):
            vqt.quantize(script, {**CONFIG, "ignore": ["re:.*"]})
