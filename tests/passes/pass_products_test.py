"""What counts as a layer: weights that are cast or computed from parameters, and products that are not aten::linear."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
import vqt
from pass_check import quantized_names, save_and_load, sites, sqnr_db
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

CONFIG = {"skip_first_last": False}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)
    warnings.filterwarnings("ignore")  # of the tracer


def float_matrices(module: torch.jit.ScriptModule) -> list[str]:
    return [n for n, t in module.state_dict().items() if t.is_floating_point() and t.dim() > 1 and t.numel() > 48]


def hold(
    module: torch.jit.ScriptModule, x: Tensor, quantized: list[str], db: float = 30.0, left: int = 0
) -> torch.jit.ScriptModule:
    """Quantizes what it should, close to the float model, in its dtype; saved and listed again it is the same.

    left: how many float matrices may stay.
    """
    with torch.no_grad():
        expected = module(x)
        result = vqt.quantize(module, CONFIG)
        assert sorted(quantized_names(result)) == sorted(quantized)
        got = result(x)
        assert got.dtype == expected.dtype and got.shape == expected.shape
        assert got.is_contiguous() >= expected.is_contiguous()
        assert sqnr_db(expected.float(), got.float()) > db
        loaded = save_and_load(result)
        assert torch.equal(loaded(x), got)
        exact = save_and_load(vqt.quantize(module, {**CONFIG, "bits": 16}))(x)
        assert sqnr_db(expected.float(), exact.float()) > (35 if expected.dtype == torch.bfloat16 else 70)
        assert torch.equal(module(x), expected)
    table = [(s.name, tuple(s.shape), s.action, s.calls, s.bytes_before, s.bytes_after) for s in vqt.report(result).sites]
    assert [(s.name, tuple(s.shape), s.action, s.calls, s.bytes_before, s.bytes_after) for s in vqt.list_sites(loaded)] == table
    planned = [(s.name, tuple(s.shape), s.action, s.calls, s.bytes_before, s.bytes_after) for s in vqt.list_sites(module, CONFIG)]
    assert planned == table
    assert len(float_matrices(loaded)) == left
    return loaded


# ---- one product at a time
PRODUCTS = {  # an expression: the shape of w, of x
    "x @ self.w": ((32, 24), (2, 5, 32)),
    "x @ self.w.t()": ((24, 32), (2, 5, 32)),
    "x @ self.w.T": ((24, 32), (5, 32)),
    "x @ self.w.mT": ((24, 32), (32,)),
    "x @ self.w.transpose(0, 1)": ((24, 32), (2, 5, 32)),
    "x @ self.w.transpose(-1, -2)": ((24, 32), (2, 3, 5, 32)),
    "x @ self.w.permute(1, 0)": ((24, 32), (5, 32)),
    "torch.matmul(x, self.w)": ((32, 24), (2, 3, 4, 32)),
    "torch.matmul(x, self.w) + 1": ((32, 24), (32,)),
    "torch.matmul(self.w, x)": ((24, 32), (2, 32, 5)),
    "torch.matmul(self.w, x) * 1": ((24, 32), (32, 5)),
    "torch.matmul(self.w, x) * 2": ((24, 32), (32,)),
    "torch.matmul(self.w, x).view(2, -1)": ((24, 32), (2, 32, 5)),
    "torch.mm(x, self.w)": ((32, 24), (5, 32)),
    "torch.mm(self.w, x)": ((24, 32), (32, 5)),
    "torch.mv(self.w, x)": ((24, 32), (32,)),
    "torch.addmm(self.b, x, self.w)": ((32, 24), (5, 32)),
    "torch.addmm(self.b, x, self.w.t())": ((24, 32), (5, 32)),
    "torch.addmm(self.b[:1], x, self.w)": ((32, 24), (5, 32)),
    "torch.addmm(x[:, :24], x, self.w)": ((32, 24), (5, 32)),
    "torch.addmm(self.b[:5], self.w, x)": ((24, 32), (32, 5)),
    "torch.bmm(x, self.w)": ((1, 32, 24), (1, 5, 32)),
    "torch.bmm(x, self.w.unsqueeze(0).expand(x.size(0), -1, -1))": ((32, 24), (3, 5, 32)),
    "torch.bmm(x, self.w.expand(x.size(0), 32, 24))": ((32, 24), (3, 5, 32)),
    "torch.bmm(self.w, x)": ((1, 24, 32), (1, 32, 5)),
    "torch.baddbmm(self.b, x, self.w)": ((1, 32, 24), (1, 5, 32)),
    "torch.einsum('bk,kn->bn', x, self.w)": ((32, 24), (5, 32)),
    "torch.einsum('btk,nk->btn', x, self.w)": ((24, 32), (2, 5, 32)),
    "torch.einsum('nk,bk->bn', self.w, x)": ((24, 32), (5, 32)),
    "torch.einsum('...k,kn->...n', x, self.w)": ((32, 24), (2, 3, 5, 32)),
    "torch.einsum('bkt,nk->bnt', x, self.w)": ((24, 32), (2, 32, 5)),
    "torch.einsum('bkhw,nk->bhwn', x, self.w)": ((24, 32), (2, 32, 3, 5)),
    "torch.einsum('b...k,kn->bn...', x, self.w)": ((32, 24), (2, 3, 32)),
    "torch.einsum('k...,kn->...n', x, self.w)": ((32, 24), (32, 3, 5)),
    "F.linear(x, self.w, self.b[0])": ((24, 32), (5, 32)),
    "F.linear(x, self.w, self.b[None])": ((24, 32), (2, 32)),
    "F.linear(x, self.w.float(), self.b.float())": ((24, 32), (5, 32)),
    "F.linear(x, self.w.type_as(x), self.b.to(x.dtype))": ((24, 32), (5, 32)),
    "F.linear(x.to(torch.bfloat16), self.w.to(torch.bfloat16), self.b.to(torch.bfloat16))": ((24, 32), (5, 32)),
    "F.linear(x.to(torch.bfloat16), self.w.to(torch.bfloat16).clone().contiguous())": ((24, 32), (5, 32)),
    "x.to(torch.bfloat16) @ self.w.to(torch.bfloat16)": ((32, 24), (5, 32)),
    "F.linear(x, self.w.detach())": ((24, 32), (5, 32)),
    "F.linear(x, self.w.flatten(1))": ((24, 2, 4, 4), (5, 32)),
    "F.linear(x, self.w.reshape(24, -1))": ((24, 2, 4, 4), (5, 32)),
    "F.linear(x, self.w.view(self.w.size(0), -1), self.b)": ((24, 2, 4, 4), (5, 32)),
    "F.linear(x, self.w.squeeze(-1).squeeze(-1))": ((24, 32, 1, 1), (5, 32)),
    "F.linear(x, self.w * 2.0)": ((24, 32), (5, 32)),
    "F.linear(x, self.factor * self.w)": ((24, 32), (5, 32)),
    "F.linear(x, self.w * self.gain)": ((24, 32), (5, 32)),
    "F.linear(x, self.w * self.gain / self.w.norm(2, 1, True))": ((24, 32), (5, 32)),
    "F.linear(x, self.w - self.w.mean(1, keepdim=True))": ((24, 32), (5, 32)),
    "F.linear(x, self.w[::2])": ((48, 32), (5, 32)),
    "F.linear(x, self.w[:, :32])": ((24, 48), (5, 32)),
    "x @ self.w[0]": ((1, 32, 24), (2, 5, 32)),
    "x @ self.w.chunk(2, dim=1)[0]": ((32, 48), (5, 32)),
}


def defined(expression: str, *shape: int) -> torch.jit.ScriptModule:
    class Product(nn.Module):  # torch.jit.script keeps one type for each class
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.randn(shape) / 6)
            self.b = nn.Parameter(torch.randn(24))
            self.other = nn.Parameter(torch.randn(32, 24) / 6)
            self.gain = nn.Parameter(torch.rand(24, 1) + 0.5)
            self.factor = 0.5

    scripted = torch.jit.script(Product().eval())
    scripted.define(f"def forward(self, x):\n    return {expression.replace('F.', 'torch.nn.functional.')}\n")
    return scripted


@pytest.mark.parametrize("expression", PRODUCTS)
def test_every_form_of_a_linear_is_quantized(expression: str) -> None:
    w, x = PRODUCTS[expression]
    hold(defined(expression, *w), torch.randn(x), ["w"], left=1)  # `other`


REASONS = {
    "torch.bmm(x, self.w)": ((3, 32, 24), (3, 5, 32), "it has a matrix for each of 3; aten::bmm in method forward of the model"),
    "torch.matmul(x, self.w)": ((3, 32, 24), (3, 5, 32), "it has 3 dimensions; aten::matmul"),
    "torch.addmm(self.b, x, self.w, beta=0.5)": ((32, 24), (5, 32), "factors beta and alpha"),
    "torch.bilinear(x, x, self.w, None)": ((24, 32, 32), (5, 32), "two inputs"),
    "torch.einsum('bk,bn,nk->b', [x, x[:, :24], self.w])": ((24, 32), (5, 32), "more than two operands"),
    "torch.einsum('bhk,hkn->bhn', x, self.w)": ((3, 32, 24), (5, 3, 32), 'einsum "bhk,hkn->bhn" is no linear'),
    "torch.matmul(x, self.w.expand(x.size(0), 32, 24))": ((32, 24), (3, 5, 32), "the part that is read is known at run time only; aten::matmul"),
    "torch.matmul(x, self.w[x.size(0)])": ((5, 32, 24), (3, 32), "the part that is read is known at run time only; aten::matmul"),
    "F.linear(x.double(), self.w.double())": ((24, 32), (5, 32), "got Double"),
    "torch.matmul(x, self.w) + self.w.sum()": ((32, 24), (5, 32), "also used by aten::sum"),
}


@pytest.mark.parametrize("expression", REASONS)
def test_what_is_no_linear_has_a_row_with_the_reason(expression: str) -> None:
    w, shape, reason = REASONS[expression]
    product = f"({expression}).sum() * x.flatten(0)[:32]"
    module, x = defined(f"torch.nn.functional.linear({product}.to(torch.float), self.other.t())", *w), torch.randn(shape)
    result = vqt.quantize(module, CONFIG)
    assert quantized_names(result) == ["other"]
    row = sites(result)["w"]
    assert row.action == "float" and reason in row.reason, row.reason
    assert row.bytes_after == row.bytes_before == (8 if "Double" in reason else 4) * math.prod(w)
    assert "1 of 2 sites quantized" in str(vqt.report(result))
    with torch.no_grad():
        assert sqnr_db(module(x).float(), save_and_load(result)(x).float()) > 25


def test_fixed_tables_are_no_weights() -> None:
    class Fourier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("table", torch.randn(2, 16))
            self.fc = nn.Linear(32, 24)

        def forward(self, x: Tensor) -> Tensor:
            phase = 2 * math.pi * (x @ self.table)
            return self.fc(torch.cat((phase.sin(), phase.cos()), -1))

    result = vqt.quantize(torch.jit.script(Fourier()), CONFIG)
    assert [(s.name, s.action) for s in vqt.report(result).sites] == [("table", "float"), ("fc", "quantized")]
    assert "a buffer" in sites(result)["table"].reason


# ---- weights that are computed
def test_a_parameter_that_is_written_to_is_not_folded() -> None:
    module = defined("torch.nn.functional.linear(x, self.w + self.other.t())", 24, 32)
    module.define("def scale(self, factor: float):\n    self.other.mul_(factor)\n")
    with pytest.raises(vqt.QuantizeError, match="w: also used by aten::mul_|other: also used by aten::mul_"):
        vqt.quantize(module, CONFIG)


def test_one_parameter_in_two_forms_is_two_layers() -> None:
    module = defined("torch.nn.functional.linear(torch.nn.functional.relu(torch.nn.functional.linear(x, self.w)), self.w.t())", 24, 32)
    loaded = hold(module, torch.randn(5, 32), ["w", "w_2"], left=1)
    assert {"w_q", "w_2_q"} <= set(loaded.state_dict())
    for ignored in ("w", "w_2"):  # then the parameter stays
        result = vqt.quantize(module, {**CONFIG, "ignore": [f"re:{ignored}"]})
        assert quantized_names(result) == [{"w": "w_2", "w_2": "w"}[ignored]]
        again = save_and_load(result)
        assert "w" in again.state_dict()
        assert [(s.name, s.action) for s in vqt.list_sites(again)] == [(s.name, s.action) for s in vqt.report(result).sites]
        x = torch.randn(5, 32)
        with torch.no_grad():
            assert sqnr_db(module(x), again(x)) > 30


class Lora(nn.Module):
    def __init__(self, k: int, n: int, rank: int = 4) -> None:
        super().__init__()
        self.base = nn.Linear(k, n)
        self.lora_a = nn.Parameter(torch.randn(rank, k) / 6)
        self.lora_b = nn.Parameter(torch.randn(n, rank) / 6)
        self.scaling = 0.5

    def merged(self) -> Tensor:
        return self.base.weight + self.scaling * self.lora_b @ self.lora_a

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.merged(), self.base.bias)


class LoraNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q, self.v, self.fc = Lora(32, 64), Lora(64, 64), nn.Linear(64, 24)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(F.relu(self.v(F.gelu(self.q(x)))))


@pytest.mark.parametrize("make", [torch.jit.script, lambda m: torch.jit.trace(m, torch.randn(5, 32))], ids=["scripted", "traced"])
def test_lora(make: Callable[[nn.Module], torch.jit.ScriptModule]) -> None:
    model = LoraNet().eval()
    module = make(model)
    loaded = hold(module, torch.randn(5, 32), ["q.base", "v.base", "fc"])
    result = vqt.quantize(module, {**CONFIG, "ignore": ["q"]})
    assert quantized_names(result) == ["v.base", "fc"]
    x = torch.randn(5, 32)
    with torch.no_grad():
        assert sqnr_db(model.q(x), loaded.q(x)) > 30  # a submodule still runs alone
        assert sqnr_db(module(x), result(x)) > 30
    assert "lora_a" in dict(result.q.named_parameters()) and "lora_a" not in dict(loaded.q.named_parameters())


def test_a_method_that_nothing_calls_goes_with_its_weight() -> None:
    result = vqt.quantize(torch.jit.script(LoraNet().eval()), {**CONFIG, "ignore": ["v"]})
    (warning,) = vqt.report(result).warnings
    assert warning.startswith("q.merged and 1 more methods: removed: no method of the model calls them")
    assert not result.q._c._has_method("merged") and result.v._c._has_method("merged")


@pytest.mark.parametrize("norm", [parametrizations.weight_norm, parametrizations.spectral_norm, parametrizations.orthogonal])
def test_parametrizations(norm: Callable[[nn.Module], nn.Module]) -> None:
    model = nn.Sequential(norm(nn.Linear(32, 32)), nn.ReLU(), norm(nn.Linear(32, 32))).eval()
    x = torch.randn(9, 32)
    hold(torch.jit.trace(model, x), x, ["0.parametrizations.weight", "2.parametrizations.weight"])


def test_a_parametrization_of_ones_own() -> None:
    class AddLora(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Parameter(torch.randn(2, 32) / 6), nn.Parameter(torch.randn(24, 2) / 6)

        def forward(self, w: Tensor) -> Tensor:
            return w + self.b @ self.a

    model = nn.Sequential(nn.Linear(32, 24)).eval()
    parametrize.register_parametrization(model[0], "weight", AddLora())
    x = torch.randn(5, 32)
    hold(torch.jit.trace(model, x), x, ["0.parametrizations.weight"])


def test_old_weight_norm() -> None:
    model = nn.Sequential(torch.nn.utils.weight_norm(nn.Linear(32, 24)), nn.ReLU()).eval()
    x = torch.randn(5, 32)
    hold(torch.jit.trace(model, x), x, ["0"])


def test_concatenated_projections() -> None:
    class Fused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.q, self.k, self.v = (nn.Linear(32, 32) for _ in range(3))

        def forward(self, x: Tensor) -> Tensor:
            w = torch.cat([self.q.weight, self.k.weight, self.v.weight])
            b = torch.cat((self.q.bias, self.k.bias, self.v.bias))
            q, k, v = F.linear(x, w, b).chunk(3, dim=-1)
            return F.scaled_dot_product_attention(q, k, v)

    hold(torch.jit.script(Fused().eval()), torch.randn(2, 5, 32), ["q"])


# ---- whole models
class Conv1D(nn.Module):
    """GPT-2's."""

    def __init__(self, n: int, k: int) -> None:
        super().__init__()
        self.n = n
        self.weight = nn.Parameter(torch.randn(k, n) / 8)
        self.bias = nn.Parameter(torch.randn(n) / 8)

    def forward(self, x: Tensor) -> Tensor:
        shape = x.size()[:-1] + [self.n] if torch.jit.is_scripting() else x.size()[:-1] + (self.n,)
        return torch.addmm(self.bias, x.view(-1, x.size(-1)), self.weight).view(shape)


class Gpt2Block(nn.Module):
    def __init__(self, d: int = 64, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.c_attn, self.c_proj = Conv1D(3 * d, d), Conv1D(d, d)
        self.c_fc, self.mlp_proj = Conv1D(4 * d, d), Conv1D(d, 4 * d)

    def forward(self, x: Tensor) -> Tensor:
        b, t, d = x.shape
        q, k, v = self.c_attn(self.ln_1(x)).split(d, dim=2)
        q, k, v = (y.view(b, t, self.heads, d // self.heads).transpose(1, 2) for y in (q, k, v))
        weights = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(d // self.heads), -1)
        x = x + self.c_proj((weights @ v).transpose(1, 2).reshape(b, t, d))
        return x + self.mlp_proj(F.gelu(self.c_fc(self.ln_2(x))))


class Gpt2(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.wte = nn.Embedding(50, 64)
        self.h = nn.ModuleList([Gpt2Block() for _ in range(2)])
        self.ln_f = nn.LayerNorm(64)
        self.lm_head = nn.Linear(64, 50, bias=False)
        self.lm_head.weight = self.wte.weight

    def forward(self, ids: Tensor) -> Tensor:
        x = self.wte(ids)
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x))


def test_gpt2() -> None:
    ids = torch.randint(50, (2, 7))
    traced = torch.jit.trace(Gpt2().eval(), ids)
    names = [f"h.{i}.{name}" for i in range(2) for name in ("c_attn", "c_proj", "c_fc", "mlp_proj")]
    hold(traced, ids, names, db=25, left=2)  # wte, which an embedding reads, under two names
    table = sites(vqt.quantize(traced, {"ignore": ["c_fc"], "skip_first_last": False}))
    assert [table[f"h.{i}.c_fc"].reason for i in range(2)] == ['ignore "c_fc"'] * 2
    assert "embedding" in table["wte" if "wte" in table else "lm_head"].reason
    assert tuple(table["h.0.c_attn"].shape) == (192, 64)


class Block(nn.Module):
    def __init__(self, d: int = 64) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv, self.proj = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.fc1, self.fc2 = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)

    def forward(self, x: Tensor) -> Tensor:
        b, n, d = x.shape
        q, k, v = self.qkv(self.norm1(x)).reshape(b, n, 3, 4, d // 4).permute(2, 0, 3, 1, 4).unbind(0)
        x = x + self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, d))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


@pytest.mark.parametrize("cached", [False, True])
def test_traced_under_autocast(cached: bool) -> None:
    model, x = nn.Sequential(Block(), Block(), nn.Linear(64, 10)).eval(), torch.randn(2, 9, 64)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16, cache_enabled=cached):
        traced = torch.jit.trace(model, x, check_trace=False)
    names = [f"{i}.{layer}" for i in range(2) for layer in ("qkv", "proj", "fc1", "fc2")] + ["2"]
    loaded = hold(traced, x, names, db=25)
    assert loaded(x).dtype == torch.bfloat16


def test_patch_embedding_by_a_linear_on_a_convolutions_weight() -> None:
    class Patches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.proj = nn.Conv2d(3, 32, 4, 4)
            self.block = nn.Linear(32, 24)

        def forward(self, x: Tensor) -> Tensor:
            columns = F.unfold(x, 4, stride=4).transpose(1, 2)
            return self.block(F.linear(columns, self.proj.weight.flatten(1), self.proj.bias))

    hold(torch.jit.script(Patches().eval()), torch.randn(2, 3, 8, 8), ["proj", "block"])


def test_weights_in_functions_and_methods() -> None:
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w_qkv = nn.Parameter(torch.randn(32, 96) / 6)
            self.w_out = nn.Parameter(torch.randn(32, 32) / 6)

        def project(self, x: Tensor, w: Tensor) -> Tensor:
            return torch.matmul(x, w)

        def forward(self, x: Tensor) -> Tensor:
            q, k, v = self.project(x, self.w_qkv).chunk(3, dim=-1)
            return multiply(attend(q, k, v), self.w_out)

    hold(torch.jit.script(Attention().eval()), torch.randn(2, 5, 32), ["w_qkv", "w_out"])


def multiply(x: Tensor, w: Tensor) -> Tensor:
    return torch.einsum("btk,kn->btn", x, w)


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return torch.softmax(q @ k.transpose(1, 2), -1) @ v


# ---- models that have no float layer
def test_a_cnn_is_named() -> None:
    module = torch.jit.script(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 1)).eval())
    with pytest.raises(vqt.QuantizeError, match=r"the model is a CNN \(2 convolutions, no product that reads a parameter\)"):
        vqt.quantize(module, CONFIG)


@pytest.mark.parametrize("make", [torch.jit.script, lambda m: torch.jit.trace(m, torch.randn(2, 8))], ids=["scripted", "traced"])
def test_a_model_of_torchs_own_quantization_is_named(make: Callable[[nn.Module], torch.jit.ScriptModule]) -> None:
    model = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(8, 8), nn.ReLU()).eval(), {nn.Linear})
    for module in (make(model), save_and_load(make(model))):
        for what in (vqt.quantize, vqt.list_sites):
            with pytest.raises(vqt.Error, match=r"by torch.ao.quantization \(it calls quantized::linear_dynamic\); quantize the float"):
                what(module, CONFIG)


def test_a_model_laid_out_for_onednn_is_named(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10)).eval()
    module = torch.jit.optimize_for_inference(torch.jit.trace(model, torch.randn(1, 3, 8, 8)))
    for what in (vqt.quantize, vqt.list_sites):
        with pytest.raises(vqt.Error, match=r"went through torch.jit.optimize_for_inference \(.*\).*; quantize the module that"):
            what(module, CONFIG)
    module.save(str(tmp_path / "onednn.pt"))  # which writes no constants
    with pytest.raises(vqt.Error, match="a model from torch.jit.optimize_for_inference, .*; save and quantize the module that"):
        vqt.load(tmp_path / "onednn.pt")


def test_optimize_for_inference_without_convolutions_is_a_frozen_module() -> None:
    model, x = nn.Sequential(nn.Linear(32, 24), nn.ReLU(), nn.Linear(24, 10)).eval(), torch.randn(5, 32)
    module = torch.jit.optimize_for_inference(torch.jit.trace(model, x))
    result = vqt.quantize(module, CONFIG)  # its linears are matmuls of constants
    assert quantized_names(result) == ["frozen.0", "frozen.1"]
    with torch.no_grad():
        assert sqnr_db(model(x), save_and_load(result)(x)) > 30


def test_the_lost_names_of_a_frozen_module_are_said() -> None:
    frozen = torch.jit.freeze(torch.jit.script(nn.Sequential(nn.Linear(32, 24), nn.ReLU(), nn.Linear(24, 10)).eval()))
    (warning,) = vqt.report(vqt.quantize(frozen, CONFIG)).warnings
    assert warning.startswith("the module is frozen: 2 layers have lost their names") and "before torch.jit.freeze" in warning
    with pytest.raises(vqt.ConfigError, match='"fc1" matches no layer; .*the module is frozen, which loses the names'):
        vqt.quantize(frozen, {**CONFIG, "ignore": ["fc1"]})
