"""Modules, types and names: what the pass sees and what it leaves alone."""

from typing import Optional, Tuple

import pytest
import torch
import torch.nn.functional as F
import vqt
from pass_check import WEIGHT_ONLY, assert_same, check, quantized_names, save_and_load, sites, sqnr_db
from torch import Tensor, nn


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


class Mlp(nn.Module):
    def __init__(self, width: int = 32, hidden: int = 48, bias: bool = True) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden, bias=bias)
        self.fc2 = nn.Linear(hidden, width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(32)
        self.mlp = Mlp()
        self.register_buffer("gain", torch.full((1,), 0.5))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.gain * self.mlp(self.norm(x))


class Nested(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Block() for _ in range(3)])
        self.heads = nn.ModuleDict({"depth": nn.Linear(32, 5), "pose": nn.Linear(32, 9, bias=False)})

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        for block in self.blocks:
            x = block(x)
        out = {}
        for name, head in self.heads.items():
            out[name] = head(x)
        return out


NESTED = [f"blocks.{i}.mlp.fc{j}" for i in range(3) for j in (1, 2)] + ["heads.depth", "heads.pose"]


def test_nested_modules_lists_and_dicts() -> None:
    loaded = check(Nested(), torch.randn(2, 7, 32), quantized=NESTED)
    assert "blocks.0.mlp.fc1.weight_q" in loaded.state_dict()
    assert "blocks.0.mlp.fc1.bias" in dict(loaded.named_parameters())
    assert "blocks.1.gain" in dict(loaded.named_buffers())
    assert loaded.blocks.__getattr__("1").mlp.fc1.weight_q.dtype == torch.uint8


def test_siblings_share_a_type_but_not_a_scheme() -> None:
    config = {
        "overrides": [
            {"targets": ["blocks.0.mlp.fc1"], "bits": 16},
            {"targets": ["blocks.1.mlp.fc1"], "quant_type": "int4_group", "group_size": 16},
        ],
        "ignore": ["blocks.2.mlp.fc1"],
    }
    model = Nested()
    loaded = check(model, torch.randn(3, 32), config=config, dynamic_db=15.0)
    scheme = {name: site.scheme for name, site in sites(vqt.quantize(torch.jit.script(model), {**WEIGHT_ONLY, **config})).items()}
    assert [scheme[f"blocks.{i}.mlp.fc1"] for i in range(3)] == ["w16a16", "w4a16-g16", "float32"]
    code = [loaded.blocks.__getattr__(str(i)).mlp.fc1.code for i in range(3)]
    assert "linear_int16" in code[0] and "linear_int4" in code[1] and "torch.linear" in code[2]
    assert "blocks.2.mlp.fc1.weight" in loaded.state_dict()


def test_order_and_names_of_sites() -> None:
    scripted = torch.jit.script(Nested())
    assert [site.name for site in vqt.list_sites(scripted)] == NESTED
    kept = [s.name for s in vqt.report(vqt.quantize(scripted, {})).sites if s.action == "float"]
    assert kept == [NESTED[0], NESTED[-1]]


def test_one_module_called_twice_is_one_site() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(16, 16)
            self.other = nn.Linear(16, 16)

        def forward(self, x: Tensor) -> Tensor:
            return self.other(self.first(F.relu(self.first(x)))) + self.first(x)

    model = Twice()
    loaded = check(model, torch.randn(4, 16), quantized=["first", "other"])
    assert [(s.name, s.calls) for s in vqt.list_sites(torch.jit.script(model))] == [("first", 3), ("other", 1)]
    assert loaded.code.count("self.first") and "linear_int8" in loaded.first.code


def test_one_module_under_two_names_stays_one_weight() -> None:
    class Names(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(16, 16)
            self.again = self.first

        def forward(self, x: Tensor) -> Tensor:
            return self.again(F.relu(self.first(x)))

    # torch.jit.script makes two instances of it that share their tensors.
    loaded = check(Names(), torch.randn(4, 16), quantized=["first", "again"])
    assert loaded.first.weight_q.data_ptr() == loaded.again.weight_q.data_ptr()


@torch.jit.script
def shared_linear(x: Tensor, w: Tensor, b: Optional[Tensor]) -> Tensor:
    return F.linear(x, w, b)


def outer_shared(x: Tensor, w: Tensor, b: Optional[Tensor]) -> Tensor:
    if x.size(0) > 1000:
        return x
    return shared_linear(x, w, b) * 2.0


class Functional(nn.Module):
    def __init__(self, out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out, 16) * 0.1)
        self.bias = nn.Parameter(torch.randn(out))

    def forward(self, x: Tensor) -> Tensor:
        return outer_shared(x, self.weight, self.bias)


def test_free_functions_are_shared_by_callers_with_other_schemes() -> None:
    model = nn.Sequential(Functional(16), Functional(16), Functional(16))
    config = {"overrides": [{"targets": ["1"], "bits": 16}], "ignore": ["2"]}
    loaded = check(model, torch.randn(5, 16), config=config, quantized=["0", "1"])
    assert "linear_int8" in loaded.__getattr__("0").code and "linear_int16" in loaded.__getattr__("1").code


def test_weights_of_one_owner_are_named_by_parameter() -> None:
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up = nn.Parameter(torch.randn(24, 16) * 0.1)
            self.down = nn.Parameter(torch.randn(16, 24) * 0.1)

        def forward(self, x: Tensor) -> Tensor:
            return F.linear(F.relu(F.linear(x, self.up)), self.down)

    check(nn.Sequential(Pair()), torch.randn(5, 16), quantized=["0.up", "0.down"])
    check(Pair(), torch.randn(5, 16), quantized=["up", "down"])


def test_a_linear_alone() -> None:
    check(nn.Linear(16, 8), torch.randn(5, 16), quantized=["weight"])


class Sliced(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(16, 48)
        self.sizes = [16, 32]

    def forward(self, x: Tensor) -> list[Tensor]:
        w, b = self.qkv.weight, self.qkv.bias
        q, k, v = w.chunk(3)
        bq, bk, bv = b.chunk(3)
        out = [F.linear(x, q, bq), F.linear(x, k, bk), F.linear(x, v, bv)]
        out.append(F.linear(x, w[8:40], b[8:40]))
        out.append(F.linear(x, w[-16:]))
        out.append(F.linear(x, w[:20][4:]))
        out.append(F.linear(x, w.narrow(0, 3, 7)))
        a, c = w.split([16, 32])
        out += [F.linear(x, a), F.linear(x, c)]
        d = w.split(20)
        out += [F.linear(x, d[0]), F.linear(x, d[2]), F.linear(x, d[-2])]
        size = x.size(-1)
        e, f = w.split([size, 2 * size])
        out += [F.linear(x, e), F.linear(x, f, b[16:])]
        return out


def test_row_slices_are_calls_of_one_site() -> None:
    model = Sliced()
    check(model, torch.randn(5, 16), quantized=["qkv"])
    (site,) = vqt.list_sites(torch.jit.script(model))
    assert site.calls == 14


def test_slices_at_the_width_of_a_linear_input() -> None:
    class Cross(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.in_proj_weight = nn.Parameter(torch.randn(48, 16) * 0.2)
            self.in_proj_bias = nn.Parameter(torch.randn(48))

        def forward(self, x: Tensor, context: Tensor) -> Tensor:
            n, t, dim = x.shape
            q = F.linear(x, self.in_proj_weight[:dim], self.in_proj_bias[:dim])
            k, v = F.linear(context, self.in_proj_weight[dim:], self.in_proj_bias[dim:]).chunk(2, dim=-1)
            if n > 100:
                q = q + F.linear(x, self.in_proj_weight[2 * x.shape[-1] :])
            return q.sum(1) + (k * v).sum(1)

    check(Cross(), torch.randn(2, 5, 16), torch.randn(2, 7, 16), quantized=["in_proj_weight"])


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("w[n:]", "bounds that are not constant"),
        ("w[::2] * n", "aten::mul"),
        ("w * x.mean()", "aten::mul"),
        ("w.split([n, 48 - n])[0]", "not known before run time"),
    ],
)
def test_weights_that_depend_on_an_input_stay_float_with_the_reason(expression: str, reason: str) -> None:
    class Bare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.qkv, self.fc = nn.Linear(16, 48), nn.Linear(16, 16)

    module = torch.jit.script(Bare())
    module.define(
        "def forward(self, x):\n    n = x.size(0)\n    w = self.qkv.weight\n"
        f"    return self.fc(x) + torch.nn.functional.linear(x[:, :w.size(1)], {expression}).sum()\n"
    )
    result = vqt.quantize(module, WEIGHT_ONLY)
    assert quantized_names(result) == ["fc"]
    assert reason in sites(result)["qkv"].reason
    x = torch.randn(5, 16)
    torch.testing.assert_close(result(x), module(x), rtol=1e-1, atol=1e-1)


class Methods(nn.Module):
    """The parent calls its child through a method, and passes it a weight of another child."""

    class Child(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(16, 16)
            self.b = nn.Linear(16, 16)

        def forward(self, x: Tensor) -> Tensor:
            return self.a(x)

        @torch.jit.export
        def project(self, x: Tensor, w: Tensor) -> Tensor:
            return F.linear(self.b(x), w)

        @torch.jit.export
        def only_from_outside(self, x: Tensor) -> Tensor:
            return self.a(x) - self.b(x)

    def __init__(self) -> None:
        super().__init__()
        self.child = Methods.Child()
        self.table = nn.Linear(16, 16, bias=False)
        self.spare = nn.Linear(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        return self.child.project(self.child(x), self.table.weight)

    @torch.jit.export
    def second(self, x: Tensor) -> Tensor:
        return self.spare(self.child.only_from_outside(x))


def test_several_methods() -> None:
    def runs(m) -> list[Tensor]:
        x = torch.linspace(-1, 1, 64).reshape(4, 16)
        return [m(x), m.second(x), m.child.project(x, torch.eye(16)), m.child.only_from_outside(x), m.spare(x), m.child.a(x)]

    model = Methods()
    check(model, runs=runs, quantized=["child.a", "child.b", "table", "spare"])
    listed = vqt.list_sites(torch.jit.script(model))
    assert [(s.name, s.calls) for s in listed] == [("child.a", 1), ("child.b", 1), ("table", 1), ("spare", 0)]


def test_a_method_that_gives_the_weight_back_keeps_it_float() -> None:
    class Getter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.other = nn.Linear(16, 16), nn.Linear(16, 16)

        @torch.jit.export
        def get(self) -> Tensor:
            return self.fc.weight

        def forward(self, x: Tensor) -> Tensor:
            return F.linear(self.other(x), self.get())

    loaded = check(Getter(), torch.randn(3, 16), quantized=["other"])
    assert torch.is_tensor(loaded.get())
    result = vqt.quantize(torch.jit.script(Getter()), WEIGHT_ONLY)
    assert "get" in sites(result)["fc"].reason


def test_linears_in_if_and_loop() -> None:
    class Flow(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c, self.d = (nn.Linear(16, 16) for _ in range(4))

        def forward(self, x: Tensor, n: int) -> Tensor:
            if x.sum() > 0:
                x = self.a(x)
            else:
                x = self.b(x)
            for _ in range(n):
                if n > 1:
                    x = torch.tanh(self.c(x))
            while x.abs().max() > 0.5:
                x = self.d(x) * 0.1
            return x

    model = Flow()
    x = torch.rand(3, 16)
    check(model, quantized=["a", "b", "c", "d"], runs=lambda m: [m(x, 0), m(-x, 3), m(5 * x, 1)])
    assert [s.name for s in vqt.list_sites(torch.jit.script(model))] == ["a", "b", "c", "d"]


class Optionals(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(16, 16)
        self.before, self.head, self.track = nn.Linear(16, 16), nn.Linear(16, 16), Mlp(16, 16)

    def forward(self, x: Tensor, points: Optional[Tensor] = None, mask: Optional[Tensor] = None) -> Tensor:
        if points is not None and mask is not None:
            x = x + self.before(points)
        x = self.head(self.body(x))
        return self.maybe_track(x, points)

    def maybe_track(self, x: Tensor, queries: Optional[Tensor]) -> Tensor:
        if queries is not None:
            queries = queries.to(x.dtype)  # checked and converted, and still None when it was not given
        if queries is None:
            return x
        return x + self.track(queries)


def test_sites_behind_optional_inputs_are_neither_first_nor_last() -> None:
    scripted = torch.jit.script(Optionals())
    result = vqt.quantize(scripted, {})
    reasons = {name: site.reason for name, site in sites(result).items()}
    assert list(reasons) == ["before", "body", "head", "track.fc1", "track.fc2"]
    assert "first" in reasons["body"] and "last" in reasons["head"]
    assert quantized_names(result) == ["before", "track.fc1", "track.fc2"]
    x = torch.randn(3, 16)
    check(Optionals(), runs=lambda m: [m(x), m(x, x), m(x, x, x)])


def test_traced_modules() -> None:
    model = Nested().blocks.eval()
    body = nn.Sequential(*model)
    x = torch.randn(2, 7, 32)
    traced = torch.jit.trace(body, x)
    check(body, x, scripted=traced, quantized=[f"{i}.mlp.fc{j}" for i in range(3) for j in (1, 2)])


def test_frozen_modules() -> None:
    model = Nested().eval()
    x = torch.randn(2, 7, 32)
    frozen = torch.jit.freeze(torch.jit.script(model))
    result = vqt.quantize(frozen, {**WEIGHT_ONLY, "ignore": ["frozen.7"]})
    assert [s.name for s in vqt.list_sites(frozen)] == [f"frozen.{i}" for i in range(8)]
    assert quantized_names(result) == [f"frozen.{i}" for i in range(7)]
    same = vqt.quantize(torch.jit.script(model), {**WEIGHT_ONLY, "ignore": ["heads.pose"]})
    loaded = save_and_load(result)
    with torch.no_grad():
        for name, value in same(x).items():
            torch.testing.assert_close(loaded(x)[name], value, rtol=1e-5, atol=1e-5)
    assert [(s.name, s.action) for s in vqt.list_sites(loaded)] == [(s.name, s.action) for s in vqt.report(result).sites]
    assert not any(t.dtype.is_floating_point and t.dim() == 2 and t.shape[0] == 48 for t in _constants(loaded))


def _constants(module: torch.jit.ScriptModule) -> list[Tensor]:
    nodes = module.graph.findAllNodes("prim::Constant")
    return [n.t("value") for n in nodes if n.hasAttribute("value") and n.kindOf("value") == "t"]


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(32, 32), nn.Linear(32, 32), nn.Linear(32, 32)
        self.b.weight = self.a.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.c(self.b(self.a(x)))


def test_tied_weights_stay_tied_in_the_most_precise_scheme() -> None:
    config = {"quant_type": "int4_group", "group_size": 16, "overrides": [{"targets": ["b"], "bits": 8}]}
    model = Tied()
    loaded = check(model, torch.randn(4, 32), config=config, quantized=["a", "b", "c"], dynamic_db=15.0)
    assert loaded.a.weight_q.data_ptr() == loaded.b.weight_q.data_ptr()
    table = sites(vqt.quantize(torch.jit.script(model), {**WEIGHT_ONLY, **config}))
    assert [table[name].scheme for name in "abc"] == ["w8a16", "w8a16", "w4a16-g16"]
    check(model, torch.randn(4, 32), config={"ignore": ["a"]}, quantized=["c"])


def test_a_weight_that_something_else_reads_stays_float() -> None:
    class TiedEmbedding(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.emb = nn.Embedding(40, 16)
            self.fc = nn.Linear(16, 16)
            self.head = nn.Linear(16, 40, bias=False)
            self.head.weight = self.emb.weight

        def forward(self, ids: Tensor) -> Tensor:
            return self.head(self.fc(self.emb(ids)))

    model = TiedEmbedding()
    loaded = check(model, torch.arange(10), quantized=["fc"])
    assert loaded.head.weight.data_ptr() == loaded.emb.weight.data_ptr()
    reason = sites(vqt.quantize(torch.jit.script(model), WEIGHT_ONLY))["head"].reason
    assert "embedding" in reason and "emb" in reason

    class Penalty(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(16, 16), nn.Linear(16, 16)

        def forward(self, x: Tensor) -> Tensor:
            return self.b(self.a(x)) + self.a.weight.sum()

    check(Penalty(), torch.randn(3, 16), quantized=["b"])


def test_a_weight_that_a_method_writes_stays_float() -> None:
    class Writer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(16, 16), nn.Linear(16, 16)
            self.c = nn.Linear(16, 16)

        def forward(self, x: Tensor) -> Tensor:
            return self.c(self.b(self.a(x)))

        @torch.jit.export
        def scale(self, factor: float) -> None:
            self.a.weight.mul_(factor)

    loaded = check(Writer(), torch.randn(3, 16), quantized=["b", "c"])
    with torch.no_grad():
        loaded.scale(2.0)


def test_questions_about_a_weight_are_answered_without_it() -> None:
    class Curious(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(16, 24)
            self.bare = nn.Linear(24, 8, bias=False)

        @torch.jit.export
        def cast(self, x: Tensor) -> Tensor:
            return self.fc(x.to(self.fc.weight.dtype))

        def forward(self, x: Tensor) -> Tensor:
            w = self.fc.weight
            x = x.to(w.dtype).to(w.device)
            assert w.dim() == 2 and w.size(0) == 24 and w.shape[-1] == 16 and not w.requires_grad or True
            x = self.bare(self.fc(x)) + w.numel() + len(w)
            return x.to(self.bare.weight.dtype) * self.bare.weight.size(1)

    loaded = check(Curious(), torch.randn(3, 16), quantized=["fc", "bare"])
    half = loaded.to(torch.bfloat16)
    assert half.cast(torch.randn(2, 16)).dtype == torch.bfloat16  # asked of the bias, which was cast too


@pytest.mark.parametrize(("k", "group"), [(9, 64), (9, 8), (33, 32), (15, -1), (7, 1)])
def test_groups_that_do_not_divide_k(k: int, group: int) -> None:
    model = nn.Sequential(nn.Linear(k, 16), nn.Linear(16, k))
    config = {"quant_type": "int4_group", "group_size": group, "skip_first_last": False}
    x = torch.randn(6, k)
    scripted = torch.jit.script(model.eval())
    result = vqt.quantize(scripted, {**config, "activation": "none"})
    assert quantized_names(result) == ["0", "1"]
    if group > 0:
        check(model, x, config=config, dynamic_db=10.0)
    assert sqnr_db(model(x), save_and_load(result)(x)) > 12


@pytest.mark.parametrize("quant_type", ["int8_per_tensor_sym", "int8_per_tensor_asym", "int8_per_channel_asym", "int16_per_tensor_sym"])
@pytest.mark.parametrize("k", [1, 2, 31, 33])
def test_odd_k(k: int, quant_type: str) -> None:
    model = nn.Sequential(nn.Linear(k, 5), nn.Linear(5, k)).eval()
    x = torch.randn(6, k)
    result = save_and_load(vqt.quantize(torch.jit.script(model), {"quant_type": quant_type, "skip_first_last": False}))
    with torch.no_grad():
        assert sqnr_db(model(x), result(x)) > 25


def test_models_without_work_are_errors() -> None:
    class Empty(nn.Module):
        pass

    for model, why in ((Empty(), "no product of the model reads"), (nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()), "the model is a CNN")):
        scripted = torch.jit.script(model)
        assert [site for site in vqt.list_sites(scripted) if site.kind == "linear"] == []
        with pytest.raises(vqt.QuantizeError, match=f"no Linear layer to quantize: {why}"):
            vqt.quantize(scripted, {})
    with pytest.raises(vqt.QuantizeError, match="(?s)no Linear layer to quantize\n.*skip_first_last"):
        vqt.quantize(torch.jit.script(nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))), {})


def test_a_quantized_model_is_refused() -> None:
    once = vqt.quantize(torch.jit.script(Nested()), {})
    for model in (once, save_and_load(once)):
        assert vqt.is_quantized(model)
        with pytest.raises(vqt.QuantizeError, match="already quantized"):
            vqt.quantize(model, {})
    assert not vqt.is_quantized(torch.jit.script(Nested()))


def test_archives_saved_in_training_mode() -> None:
    class Train(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.drop, self.b = nn.Linear(16, 16), nn.Dropout(0.5), nn.Linear(16, 16)

        def forward(self, x: Tensor) -> Tensor:
            return self.b(self.drop(self.a(x)))

    model = Train().train()
    scripted = torch.jit.script(model)
    result = save_and_load(vqt.quantize(scripted, WEIGHT_ONLY))
    assert scripted.training and not result.training and not result.drop.training
    x = torch.randn(4, 16)
    assert sqnr_db(model.eval()(x), result(x)) > 30
    assert_same(result(x), result(x))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_casting_a_quantized_model(dtype: torch.dtype) -> None:
    model = nn.Sequential(nn.Linear(32, 48), nn.GELU(), nn.Linear(48, 32)).eval()
    x = torch.randn(4, 32)
    for activation in ("dynamic", "none"):
        result = vqt.quantize(torch.jit.script(model), {"skip_first_last": False, "activation": activation})
        packed = result.__getattr__("0").weight_q.clone()
        result.to(dtype)
        assert torch.equal(result.__getattr__("0").weight_q, packed) and result.__getattr__("0").bias.dtype == dtype
        y = save_and_load(result)(x.to(dtype))
        assert y.dtype == dtype
        assert sqnr_db(model(x), y.float()) > 25


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_models_in_half_precision(dtype: torch.dtype) -> None:
    model = nn.Sequential(nn.Linear(32, 48), nn.GELU(), nn.Linear(48, 32)).eval().to(dtype)
    x = torch.randn(4, 32).to(dtype)
    result = vqt.quantize(torch.jit.script(model), WEIGHT_ONLY)
    wide = nn.Sequential(nn.Linear(32, 48), nn.GELU(), nn.Linear(48, 32)).eval()
    wide.load_state_dict({k: v.float() for k, v in model.state_dict().items()})
    exact = vqt.quantize(torch.jit.script(wide), WEIGHT_ONLY)
    packed, of_float32 = result.__getattr__("0").weight_q.clone(), exact.__getattr__("0").weight_q
    assert (packed.view(-1)[43], of_float32.view(-1)[43]) == (2, 0)  # bytes per weight before, 0: 4
    packed.view(-1)[43] = 0
    assert torch.equal(packed, of_float32)
    assert sqnr_db(model(x).float(), result(x).float()) > 30


def test_weights_no_kernel_takes_stay_float() -> None:
    model = nn.Sequential(nn.Linear(8, 8).double(), nn.Linear(8, 8).double()).eval()
    with pytest.raises(vqt.QuantizeError, match="got Double"):
        vqt.quantize(torch.jit.script(model), WEIGHT_ONLY)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_nan_in_a_weight_names_the_site(bad: float) -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    with torch.no_grad():
        model[1].weight[3, 2] = bad
    with pytest.raises(vqt.QuantizeError, match=r"^1: the weight \[8, 8\] has NaN or Inf: no scale can be computed"):
        vqt.quantize(torch.jit.script(model), WEIGHT_ONLY)


def test_weights_too_deep_for_int32_stay_float() -> None:
    model = nn.Sequential(nn.Linear(65794, 2), nn.Linear(2, 2)).eval()
    scripted = torch.jit.script(model)
    result = vqt.quantize(scripted, {"skip_first_last": False})
    assert quantized_names(result) == ["1"] and "int32" in sites(result)["0"].reason
    assert quantized_names(vqt.quantize(scripted, WEIGHT_ONLY)) == ["0", "1"]


def test_the_limit_of_4_bits_is_a_groups() -> None:
    def quantized(k: int, group_size: int, **fields: object) -> tuple[nn.Module, torch.jit.ScriptModule]:
        model = nn.Sequential(nn.Linear(k, 16), nn.Linear(16, 2)).eval()
        config = {"skip_first_last": False, "quant_type": "int4_group", "group_size": group_size, **fields}
        return model, vqt.quantize(torch.jit.script(model), config)

    model, result = quantized(561440, -1)  # one group per row: a sum too deep for int32
    assert quantized_names(result) == ["1"]
    assert sites(result)["0"].reason.startswith("K = 561440 is too deep for int32 sums (at most 561433)")
    with torch.no_grad():
        assert result(torch.randn(2, 561440)).isfinite().all()

    model, result = quantized(561472, 64, ignore=["1"])  # short sums, however many
    assert quantized_names(result) == ["0"]
    x = torch.randn(8, 561472)
    with torch.no_grad():
        y, expected = result(x), model(x)
    noise = (y - expected).square().mean() / expected.square().mean()
    assert noise < 0.1  # 4 bits of weights and 8 of x: 15 to 25 dB


def test_hooks_buffers_and_constants_survive() -> None:
    class Constant(nn.Module):
        __constants__ = ["factor"]

        def __init__(self) -> None:
            super().__init__()
            self.factor = 3
            self.names = ["a", "b"]
            self.table = {"x": torch.ones(2)}
            self.fc = nn.Linear(16, 16)
            self.register_buffer("steps", torch.zeros(1))

        def forward(self, x: Tensor) -> Tensor:
            self.steps += 1
            return self.fc(x) * self.factor + self.table["x"].sum() + len(self.names)

    model = Constant().eval()
    scripted = torch.jit.script(model)
    result = vqt.quantize(scripted, WEIGHT_ONLY)
    x = torch.randn(2, 16)
    with torch.no_grad():
        y = result(x)
    assert float(result.steps) == 1 and float(scripted.steps) == 0  # running the result leaves the input alone
    loaded = save_and_load(result)
    assert loaded.names == ["a", "b"] and float(loaded.steps) == 1
    with torch.no_grad():
        assert_same(y, loaded(x))
        assert sqnr_db(model(x), y) > 30


class Hooked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Linear(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x)


def pre_hook(self: Hooked, arguments: Tuple[Tensor]) -> Tensor:
    return self.scale(arguments[0])


def post_hook(self: Hooked, arguments: Tuple[Tensor], output: Tensor) -> Tensor:
    return F.linear(output, self.scale.weight) + arguments[0]


def test_forward_hooks() -> None:
    def make() -> nn.Module:
        inner = Hooked()
        inner.register_forward_pre_hook(pre_hook)
        inner.register_forward_hook(post_hook)
        return inner

    check(nn.Sequential(make(), nn.Linear(16, 16)), torch.randn(3, 16), quantized=["0.scale", "1"])
    loaded = check(make(), torch.randn(3, 16), quantized=["scale"])
    assert "linear_int8" in str(loaded.scale.code)


@torch.jit.interface
class Layer(nn.Module):
    def forward(self, input: Tensor) -> Tensor:
        pass


def test_submodules_behind_an_interface() -> None:
    class Holder(nn.Module):
        layer: Layer

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(16, 16)
            self.fc = nn.Linear(16, 16)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(self.layer.forward(x))

    check(Holder(), torch.randn(3, 16), quantized=["layer", "fc"])


def test_forked_calls() -> None:
    class Forks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(16, 16), Mlp(16, 24)

        def forward(self, x: Tensor) -> Tensor:
            future = torch.jit.fork(self.b, x)
            return self.a(x) + torch.jit.wait(future)

    check(Forks(), torch.randn(3, 16), quantized=["a", "b.fc1", "b.fc2"])


def test_a_weight_kept_by_another_name_is_warned_of() -> None:
    model = nn.Sequential(nn.Linear(16, 16), nn.Linear(16, 16))
    model.register_parameter("alias", model[0].weight)
    result = vqt.quantize(torch.jit.script(model), WEIGHT_ONLY)
    assert quantized_names(result) == ["0", "1"]
    assert any(warning.startswith("alias: ") for warning in vqt.report(result).warnings)
