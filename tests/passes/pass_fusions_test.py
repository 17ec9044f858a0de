"""Fused models against the same models with `fusions` off: how many of each were made, and that numbers stay."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import vqt
from pass_check import assert_same, flatten, save_and_load, sqnr_db
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data" / "vggt"
sys.path.insert(0, str(ROOT / "examples"))

from safetensors.torch import load_file  # noqa: E402
from vggt import VGGT, VGGTConfig  # noqa: E402
from vggt.layers import Block, patch_positions, rope_table  # noqa: E402

NAMES = ["activation", "residual", "rotary", "attention_prologue", "shared_input", "layer_norm", "static_output"]
EXACT = ["residual", "shared_input", "static_output"]  # nothing is computed in another way


def quantize(module: torch.jit.ScriptModule, fusions: list[str], **config: Any) -> torch.jit.ScriptModule:
    calibration = config.pop("calibration", None)
    return vqt.quantize(module, {"skip_first_last": False, "fusions": fusions, **config}, calibration=calibration)


def made(module: torch.jit.ScriptModule) -> dict[str, int]:
    return {name: count for name, count in vqt.report(module).fusions_made.items() if count}


def check(
    module: torch.jit.ScriptModule, *arguments: Any, expected: dict[str, int], db: float = 30.0, **config: Any
) -> torch.jit.ScriptModule:
    """Fused as expected; the exact fusions change no bit; all of them stay within `db` of the unfused result."""
    if config.get("activation") == "static":
        config["calibration"] = [arguments]
    with torch.no_grad():
        plain = quantize(module, ["none"], **config)
        before = plain(*arguments)
        if all(parameter.dtype == torch.float32 for parameter in module.parameters()):
            exact = quantize(module, EXACT, **config)
            assert_same(exact(*arguments), before)
        fused = quantize(module, ["all"], **config)
        assert made(fused) == expected
        after = fused(*arguments)
        for b, a in zip(flatten(before), flatten(after), strict=True):
            assert a.dtype == b.dtype and a.shape == b.shape
            assert sqnr_db(b.float(), a.float()) > db
        loaded = save_and_load(fused)
        assert_same(loaded(*arguments), after)
        table = [(s.name, s.shape, s.action, s.scheme, s.calls) for s in vqt.report(fused).sites]
        found = [s for s in vqt.list_sites(loaded) if s.kind != "attention"]  # some modules call vqt::attention
        assert [(s.name, s.shape, s.action, s.scheme, s.calls) for s in found] == table
        assert [row[:4] for row in table] == [(s.name, s.shape, s.action, s.scheme) for s in vqt.report(plain).sites]
    return fused


class Branch(nn.Module):
    """One pre-norm MLP branch, with what may stand between its parts."""

    def __init__(self, dim: int = 32, act: nn.Module | None = None) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.fc1 = nn.Linear(dim, 2 * dim)
        self.act = act or nn.GELU()
        self.drop = nn.Dropout(0.3)
        self.fc2 = nn.Linear(2 * dim, dim)
        self.gamma = nn.Parameter(torch.rand(dim) + 0.5)
        self.drop_path = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.drop(self.fc2(self.drop(self.act(self.fc1(self.norm(x))))))
        return x + self.drop_path(y * self.gamma)


def branch(act: nn.Module | None = None) -> Branch:
    torch.manual_seed(3)
    return Branch(act=act).eval()


X = torch.randn(2, 9, 32, generator=torch.Generator().manual_seed(4))
BRANCH = {"activation": 1, "residual": 1, "layer_norm": 1}


@pytest.mark.parametrize("trace", [False, True])
@pytest.mark.parametrize("freeze", [False, True])
@pytest.mark.parametrize("config", [{}, {"bits": 4, "group_size": 16}, {"symmetric": False}, {"activation_symmetric": True}])
def test_a_branch(trace: bool, freeze: bool, config: dict[str, Any]) -> None:
    model = branch()
    module = torch.jit.trace(model, X) if trace else torch.jit.script(model)
    check(torch.jit.freeze(module) if freeze else module, X, expected=BRANCH, **config)


def test_a_static_branch_stores_what_fc2_reads() -> None:
    for symmetric in (False, True):
        check(torch.jit.script(branch()), X, expected={**BRANCH, "static_output": 1}, activation="static",
              activation_symmetric=symmetric)


@pytest.mark.parametrize("act", [nn.ReLU(), nn.ReLU(inplace=True)])
def test_relu_is_exact(act: nn.Module) -> None:
    module = torch.jit.script(branch(act))
    with torch.no_grad():
        plain, fused = quantize(module, ["none"]), quantize(module, ["activation", "residual"])
        assert made(fused) == {"activation": 1, "residual": 1}
        assert torch.equal(plain(X), fused(X))


def test_other_activations_and_linears_stay() -> None:
    check(torch.jit.script(branch(nn.GELU(approximate="tanh"))), X, expected={"residual": 1, "layer_norm": 1})
    module = torch.jit.script(branch())
    for config in ({"activation": "none"}, {"bits": 16}):
        check(module, X, expected={}, **config)
    check(module, X, expected={"residual": 1}, ignore=["fc1"])
    check(module, X, expected={"activation": 1, "layer_norm": 1}, ignore=["fc2"])


def test_each_fusion_alone() -> None:
    module = torch.jit.script(branch())
    for name in NAMES:
        assert vqt.report(quantize(module, [name])).fusions_made == {name: BRANCH.get(name, 0)}
    assert vqt.report(quantize(module, ["none"])).fusions_made == {}
    assert vqt.report(quantize(module, ["residual", "layer_norm"])).fusions_made == {"residual": 1, "layer_norm": 1}


class Stages(nn.Module):
    """With `wide`, two activations and one norm more than without."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = (nn.Linear(32, 32) for _ in range(3))
        self.norm = nn.LayerNorm(32)

    def forward(self, x: Tensor, wide: bool) -> Tensor:
        if wide:
            return F.relu(self.b(F.relu(self.a(self.norm(x)))))
        return F.relu(self.c(x))

    @torch.jit.export
    def features(self, x: Tensor) -> Tensor:
        return F.relu(self.c(F.relu(self.b(F.relu(self.a(x))))))


def test_made_is_what_one_forward_runs() -> None:
    """Not the sum of both branches and of all root methods."""
    assert made(quantize(torch.jit.script(Stages().eval()), ["all"])) == {"activation": 2, "layer_norm": 1}


def test_without_forward_the_largest_method_counts() -> None:
    class Methods(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = (nn.Linear(32, 32) for _ in range(3))

        @torch.jit.export
        def encode(self, x: Tensor) -> Tensor:
            return F.relu(self.b(F.relu(self.a(x))))

        @torch.jit.export
        def decode(self, x: Tensor) -> Tensor:
            return F.relu(self.c(x))

    assert made(quantize(torch.jit.script(Methods().eval()), ["all"])) == {"activation": 2}


class Left(nn.Module):
    """One of each fusion that cannot be made, but for static_output, which is another test's."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(32)
        self.a, self.b, self.c, self.d, self.e = (nn.Linear(32, 32) for _ in range(5))

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, wide: bool) -> tuple[Tensor, Tensor, Tensor]:
        y = self.norm(x)
        tanh = F.gelu(self.a(y), approximate="tanh")
        parts = torch.chunk(x, 2, dim=-1)
        turned = x * cos + torch.cat((-parts[0], parts[1]), dim=-1) * sin
        z = self.c(x)
        if wide:
            z = self.d(x)
        return torch.add(y, self.e(tanh), alpha=2), turned, z


def test_what_was_left_has_a_reason() -> None:
    torch.manual_seed(6)
    report = vqt.report(quantize(torch.jit.script(Left().eval()), ["all"]))
    assert report.fusions_left == {
        "activation": {"its GELU is not the exact one": 1},
        "residual": {"a factor (alpha) is part of the sum": 1},
        "rotary": {"it is not a rotation of halves or quarters of the last dimension": 1},
        "shared_input": {"the ops are in different branches or loops": 1},
        "layer_norm": {"its result is read by other ops too": 1},
    }
    assert "  1 layer_norm not made: its result is read by other ops too" in str(report).splitlines()
    none = vqt.report(quantize(torch.jit.script(Left().eval()), ["none"]))
    assert none.fusions_left == {} and "not made" not in str(none)
    only = vqt.report(quantize(torch.jit.script(Left().eval()), ["activation"]))
    assert only.fusions_left == {"activation": {"its GELU is not the exact one": 1}}


def test_a_static_output_with_a_residual_has_a_reason() -> None:
    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(32, 32), nn.Linear(32, 32)

        def forward(self, x: Tensor) -> Tensor:
            return self.b(x + self.a(x))

    fused = quantize(torch.jit.script(Sum().eval()), ["all"], activation="static", calibration=[(X,)])
    assert vqt.report(fused).fusions_left == {"static_output": {"the sum with a residual is not stored as u8": 1}}


def test_without_fusions_nothing_is_inlined() -> None:
    code = quantize(torch.jit.script(branch()), ["none"]).code
    assert "(fc1).forward(" in code
    assert "vqt.linear_int8" not in code


def test_submodules_still_run_alone() -> None:
    model = nn.Sequential(branch(), branch(nn.ReLU())).eval()
    module = torch.jit.script(model)
    plain, fused = quantize(module, ["none"]), save_and_load(quantize(module, ["all"]))
    with torch.no_grad():
        for i in range(2):
            assert torch.equal(getattr(plain, str(i))(X), getattr(fused, str(i))(X))
            assert torch.equal(getattr(plain, str(i)).fc1(X), getattr(fused, str(i)).fc1(X))


def test_repack_reaches_what_a_fused_graph_reads() -> None:
    """Weights in the canonical layout, as for another machine: the fused graph still runs, and repack brings the bits back."""
    fused = quantize(torch.jit.script(branch()), ["all"])
    with torch.no_grad():
        before = fused(X)
        for linear in (fused.fc1, fused.fc2):
            scheme = (8, True, "per_channel", 0)
            parts = torch.ops.vqt.unpack_weight(linear.weight_q, 32 if linear is fused.fc1 else 64, *scheme)
            linear.weight_q = torch.ops.vqt.pack_weight(*parts, *scheme, -1, "canonical")
        fused = save_and_load(fused)
        torch.testing.assert_close(fused(X), before, rtol=1e-4, atol=1e-4)
        assert vqt.repack(fused) == 2
        assert torch.equal(fused(X), before)


def test_canonical_weights_are_not_fused() -> None:
    result = quantize(torch.jit.script(branch()), ["all"], device="cuda")
    if vqt.report(result).warnings:
        assert made(result) == {}


def test_low_precision_keeps_its_types() -> None:
    """bfloat16 branches on a float32 stream, as in VGGT: the result is float32; a bfloat16 stream stays bfloat16."""

    class Cast(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.branch = branch()

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            dtype = self.branch.norm.weight.dtype
            y = self.branch.fc2(self.branch.act(self.branch.fc1(self.branch.norm(x.to(dtype)))))
            return x + y * self.branch.gamma, self.branch(x.to(dtype))

    module = torch.jit.script(Cast().eval().to(torch.bfloat16))
    with torch.no_grad():
        plain, fused = quantize(module, ["none"]), quantize(module, ["all"])
        assert made(fused) == {"activation": 2, "residual": 2, "layer_norm": 2}
        before, after, exact = plain(X), fused(X), module(X)
        assert [t.dtype for t in after] == [torch.float32, torch.bfloat16]
        for b, a, e in zip(before, after, exact, strict=True):
            assert a.dtype == b.dtype and sqnr_db(b.float(), a.float()) > 30
            assert sqnr_db(e.float(), a.float()) > 30
        # One dtype for the whole model again: factors of another dtype would have widened the product.
        wide = torch.jit.script(Cast().eval().to(torch.bfloat16))
        wide.branch.gamma = nn.Parameter(wide.branch.gamma.float())
        assert made(quantize(wide, ["residual"])) == {}
        assert made(quantize(module, ["residual"])) == {"residual": 2}


class LayerScale(nn.Module):
    """As timm writes it."""

    def __init__(self, dim: int, inplace: bool) -> None:
        super().__init__()
        self.inplace, self.gamma = inplace, nn.Parameter(torch.rand(dim) + 0.5)

    def forward(self, x: Tensor) -> Tensor:
        return x.mul_(self.gamma) if self.inplace else x * self.gamma


@pytest.mark.parametrize("inplace", [False, True])
def test_a_factor_under_a_bool_attribute(inplace: bool) -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.ls = nn.Linear(32, 32), LayerScale(32, inplace)

        def forward(self, x: Tensor) -> Tensor:
            return x + self.ls(F.relu(self.fc(x)))

    fused = check(torch.jit.script(Scaled().eval()), X, expected={"activation": 1, "residual": 1})
    assert "prim::If" not in str(fused.graph)

    class Written(Scaled):
        def forward(self, x: Tensor) -> Tensor:
            self.ls.inplace = not self.ls.inplace
            return x + self.ls(self.fc(x))

    assert "prim::If" in str(quantize(torch.jit.script(Written().eval()), ["all"]).graph)


class Projections(nn.Module):
    def __init__(self, bias: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(32)
        self.q, self.k, self.v = (nn.Linear(32, 32, bias=bias) for _ in range(3))
        self.out = nn.Linear(32, 32, bias=bias)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        y = self.norm(x)
        n, t, dim = y.shape
        q, k, v = [p.reshape(n, -1, 4, dim // 4).transpose(1, 2) for p in (self.q(y), self.k(context), self.v(context))]
        return x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, t, dim)) + self.q(y)


@pytest.mark.parametrize("bias", [True, False])
def test_several_linears_read_one_tensor(bias: bool) -> None:
    torch.manual_seed(5)
    model = Projections(bias).eval()
    expected = {"residual": 2, "shared_input": 2, "layer_norm": 1}
    check(torch.jit.script(model), X, torch.randn(2, 5, 32), expected=expected)
    check(torch.jit.script(model), X, torch.randn(2, 5, 32), expected=expected, activation="static")
    alone = quantize(torch.jit.script(model), ["layer_norm"])
    assert made(alone) == {}  # two readers: only shared_input makes one of them


def test_dropout_of_a_traced_training_model_stays() -> None:
    model = branch().train()
    traced = torch.jit.trace(model, X, check_trace=False)
    assert made(quantize(traced, ["all"])) == {"layer_norm": 1, "activation": 1}


def test_what_is_written_in_place_stays() -> None:
    class InPlace(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(32, 32), nn.Linear(32, 32)

        def forward(self, x: Tensor) -> Tensor:
            x = torch.tanh(x)
            y = self.a(x)
            x += 1.0
            s = x.clone()
            w = s + y
            s.mul_(2.0)
            return (w + self.b(x)) + s

    module = torch.jit.script(InPlace().eval())
    plain, fused = quantize(module, ["none"]), quantize(module, ["all"])
    with torch.no_grad():
        assert_same(plain(X), fused(X))
    assert made(fused) == {"residual": 1}  # the second one


def test_assertions_and_attributes_survive() -> None:
    class Counts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.branch = branch()
            self.calls = 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            assert x.size(-1) == 32, "expected 32 channels"
            if x.dim() != 3:
                raise ValueError("expected 3 dimensions")
            return self.branch(x)

    fused = save_and_load(quantize(torch.jit.script(Counts().eval()), ["all"]))
    with torch.no_grad():
        fused(X)
        fused(X)
        assert fused.calls == 2
        with pytest.raises(Exception, match="expected 32 channels"):
            fused(X[..., :31])
        with pytest.raises(Exception, match="expected 3 dimensions"):
            fused(X[0])


class Layers(nn.Module):
    def __init__(self, norm_first: bool, activation: str) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, norm_first=norm_first, activation=activation)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.encoder(x)


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_transformer_encoder(norm_first: bool, activation: str) -> None:
    torch.manual_seed(6)
    model = Layers(norm_first, activation).eval()
    expected = {"activation": 2, "residual": 2}
    if norm_first:
        expected["layer_norm"] = 2
    check(torch.jit.script(model), X, expected=expected)


class EncoderBlock(nn.Module):
    """As in torchvision's vision transformer."""

    def __init__(self, dim: int = 32) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(dim, eps=1e-6)
        self.self_attention = nn.MultiheadAttention(dim, 4, dropout=0.1, batch_first=True)
        self.dropout = nn.Dropout(0.1)
        self.ln_2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(dim, 64), nn.GELU(), nn.Dropout(0.1), nn.Linear(64, dim), nn.Dropout(0.1))

    def forward(self, input: Tensor) -> Tensor:
        torch._assert(input.dim() == 3, "expected (batch, tokens, dim)")
        x = self.ln_1(input)
        x, _ = self.self_attention(x, x, x, need_weights=False)
        x = self.dropout(x)
        x = x + input
        y = self.ln_2(x)
        return x + self.mlp(y)


class Vit(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, 32, 8, stride=8)
        self.token = nn.Parameter(torch.randn(1, 1, 32))
        self.positions = nn.Parameter(torch.randn(1, 17, 32))
        self.blocks = nn.Sequential(EncoderBlock(), EncoderBlock())
        self.ln = nn.LayerNorm(32, eps=1e-6)
        self.head = nn.Linear(32, 10)

    def forward(self, images: Tensor) -> Tensor:
        x = self.proj(images).flatten(2).permute(0, 2, 1)
        x = torch.cat([self.token.expand(x.size(0), -1, -1), x], dim=1) + self.positions
        return self.head(self.ln(self.blocks(x))[:, 0])


def test_a_vision_transformer() -> None:
    torch.manual_seed(7)
    model, images = Vit().eval(), torch.randn(2, 3, 32, 32)
    expected = {"activation": 2, "residual": 2, "layer_norm": 2}
    check(torch.jit.script(model), images, expected=expected)
    check(torch.jit.script(model), images, expected={**expected, "static_output": 2}, activation="static")


def rotate_half(x: Tensor) -> Tensor:
    x1, x2 = x[..., : x.shape[-1] // 2], x[..., x.shape[-1] // 2 :]
    return torch.cat((-x2, x1), dim=-1)


class Rotated(nn.Module):
    """The common form over one axis: tables [B, 1, T, D], no cast."""

    def __init__(self) -> None:
        super().__init__()
        self.qk = nn.Linear(32, 64)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
        q, k = self.qk(x).view(2, 9, 2, 4, 8).permute(2, 0, 3, 1, 4).unbind(0)
        cos, sin = cos.unsqueeze(1), sin.unsqueeze(1)
        return q * cos + rotate_half(q) * sin, k * cos + rotate_half(k) * sin


@pytest.mark.parametrize("trace", [False, True])
def test_rotary_over_one_axis(trace: bool) -> None:
    model = Rotated().eval()
    angles = torch.rand(2, 9, 4, generator=torch.Generator().manual_seed(8)).repeat(1, 1, 2) * 6
    arguments = (X, angles.cos(), angles.sin())
    module = torch.jit.trace(model, arguments) if trace else torch.jit.script(model)
    check(module, *arguments, expected={"rotary": 2}, db=120)
    # Tables wider than x: the result is in their type.
    half = torch.jit.script(Rotated().eval().to(torch.bfloat16))
    wide = (X.to(torch.bfloat16), angles.cos(), angles.sin())
    check(half, *wide, expected={"rotary": 2}, db=120)


class Attending(nn.Module):
    """Integer attention of q and k that go through a norm and a rotation, as VGGT's blocks have them."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(32, 96)
        self.q_norm, self.k_norm = nn.LayerNorm(8), nn.LayerNorm(8)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        q, k, v = self.qkv(x).view(2, 9, 3, 4, 8).permute(2, 0, 3, 1, 4).unbind(0)
        q, k = self.q_norm(q), self.k_norm(k)
        return torch.ops.vqt.attention(q * cos + rotate_half(q) * sin, k * cos + rotate_half(k) * sin, v)


def test_attention_with_its_prologue() -> None:
    module = torch.jit.script(Attending().eval())
    angles = torch.rand(9, 4, generator=torch.Generator().manual_seed(8)).repeat(1, 2) * 6
    arguments = (X, angles.cos(), angles.sin())
    check(module, *arguments, expected={"rotary": 2, "attention_prologue": 1})
    with torch.no_grad():  # one op more or less: the same bits
        apart, one = quantize(module, ["rotary"]), quantize(module, ["rotary", "attention_prologue"])
        assert torch.equal(apart(*arguments), one(*arguments))
    assert "vqt::rotary" in str(apart.graph) and "vqt::rotary" not in str(one.graph)


@pytest.mark.parametrize("qk_norm", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_block_of_vggt(qk_norm: bool, dtype: torch.dtype) -> None:
    class Rotating(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = Block(32, 4, 2.0, eps=1e-5, qk_norm=qk_norm, gamma=0.5)

        def forward(self, x: Tensor) -> Tensor:
            rope = rope_table(patch_positions(2, 4, 1, x.device), 8, 100.0)
            return self.block(self.block(x, rope), None)

    torch.manual_seed(9)
    module = torch.jit.script(Rotating().eval().to(dtype))
    expected = {"activation": 2, "residual": 4, "layer_norm": 4, "rotary": 2}
    check(module, X, expected=expected)
    if dtype == torch.float32:
        with torch.no_grad():
            plain, fused = quantize(module, ["none"]), quantize(module, ["rotary"])
            for b, a in zip(flatten(plain(X)), flatten(fused(X)), strict=True):
                assert sqnr_db(b, a) > 60  # rounding of another order, and what it flips in u8


@pytest.fixture(scope="module")
def scripted() -> torch.jit.ScriptModule:
    model = VGGT(VGGTConfig.from_file(DATA / "small_config.json"))
    model.load_state_dict(load_file(DATA / "small_weights.safetensors"), strict=True)
    return torch.jit.script(model.eval())


def test_vggt(scripted: torch.jit.ScriptModule) -> None:
    images = load_file(DATA / "small_case_b.safetensors")["images"]
    config = VGGTConfig.from_file(DATA / "small_config.json")
    with torch.no_grad():
        plain, exact = quantize(scripted, ["none"]), quantize(scripted, EXACT)
        assert_same(plain(images), exact(images))
        fused = save_and_load(quantize(scripted, ["all"]))
        before, after, floating = plain(images), fused(images), scripted(images)
        for name in before:
            assert sqnr_db(floating[name], after[name]) > sqnr_db(floating[name], before[name]) - 3, name
    counts = vqt.report(quantize(scripted, ["all"])).fusions_made
    blocks = config.patch_embed.depth + 2 * config.aggregator.depth + config.camera_head.trunk_depth
    assert counts["rotary"] == 2 * 2 * config.aggregator.depth
    assert counts["layer_norm"] >= 2 * blocks and counts["residual"] >= 2 * blocks and counts["activation"] >= blocks
