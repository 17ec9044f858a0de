"""activation static: ranges from calibration; and the measurements that inputs allow."""

import math
from typing import Optional

import pytest
import torch
import torch.nn.functional as F
import vqt
from pass_check import assert_same, quantized_names, save_and_load, sites, sqnr_db
from torch import Tensor, nn

STATIC = {"quant_type": "int8_per_channel_sym", "activation": "static", "skip_first_last": False}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.extra = nn.Linear(16, 24), nn.Linear(24, 16), nn.Linear(16, 16)

    def forward(self, x: Tensor, points: Optional[Tensor] = None) -> Tensor:
        y = self.b(F.relu(self.a(x))) + self.b(F.relu(self.a(-2.0 * x)))
        if points is not None:
            y = y + self.extra(points)
        return y


def range_of(low: float, high: float, symmetric: bool) -> tuple[float, int]:
    """The formulas of docs/ops.md for 8 bits, in float32."""
    if symmetric:
        return float(torch.tensor(max(abs(low), abs(high))) / 127), 0
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (torch.tensor(high) - torch.tensor(low)) / 255
    return float(scale), int(torch.clamp(torch.round(-torch.tensor(low) / scale), 0, 255))


def fake_quantize(x: Tensor, scale: float, zero: int, symmetric: bool) -> Tensor:
    s = torch.tensor(scale, dtype=torch.float32)
    if symmetric:
        return torch.clamp(torch.round(x / s), -127, 127) * s
    return (torch.clamp(torch.round(x / s + zero), 0, 255) - zero) * s


def range_attributes_of(module: torch.jit.ScriptModule) -> tuple[float, int]:
    (node,) = [n for n in module.graph.nodes() if n.kind() == "vqt::linear_int8"]
    scale, zero_point = list(node.inputs())[7:9]
    assert [v.node().kind() for v in (scale, zero_point)] == ["prim::GetAttr"] * 2  # data, so that layers share code
    return module.weight_x_scale, module.weight_x_zero_point


@pytest.mark.parametrize("symmetric", [False, True])
def test_ranges_are_the_extremes_of_all_calls_and_inputs(symmetric: bool) -> None:
    model = Model().eval()
    inputs = [torch.randn(5, 16) * (i + 1) + 0.5 for i in range(3)]
    scripted = torch.jit.script(model)
    state = {k: v.clone() for k, v in scripted.state_dict().items()}
    config = {**STATIC, "activation_symmetric": symmetric, "ignore": ["extra"]}
    result = vqt.quantize(scripted, config, calibration=inputs)
    seen = torch.cat([torch.cat([x, -2 * x]) for x in inputs])
    scale, zero = range_attributes_of(result.a)
    assert (scale, zero) == pytest.approx(range_of(float(seen.min()), float(seen.max()), symmetric), rel=1e-6)
    assert scale > 0
    # No observer is left, nothing of the input has changed.
    text = str(result.inlined_graph) + "".join(result.state_dict())
    assert "observe" not in text and "statistics" not in text
    assert all(torch.equal(v, state[k]) for k, v in scripted.state_dict().items()) and list(scripted.state_dict()) == list(state)
    # The numbers: activations and weights replaced by what their integers stand for.
    weight = vqt.quantize(scripted, {**config, "activation": "none"})
    with torch.no_grad():
        x = inputs[2]
        got = result(x)

        def layer(module: torch.jit.ScriptModule, name: str, value: Tensor) -> Tensor:
            s, z = range_attributes_of(getattr(module, name))
            return getattr(weight, name)(fake_quantize(value, s, z, symmetric))

        expected = sum(layer(result, "b", F.relu(layer(result, "a", v))) for v in (x, -2.0 * x))
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)
        assert sqnr_db(model(x), got) > 30
        assert_same(got, save_and_load(result)(x))


def test_calibration_takes_no_more_samples_than_the_config_says() -> None:
    scripted = torch.jit.script(Model().eval())
    small, large = torch.randn(5, 16), 100 * torch.randn(5, 16)
    config = {**STATIC, "calibration_samples": 2, "ignore": ["extra"]}
    one = vqt.quantize(scripted, config, calibration=[small, small, large])
    two = vqt.quantize(scripted, config, calibration=[small])
    assert range_attributes_of(one.a) == range_attributes_of(two.a)


def test_missing_calibration_says_what_to_pass() -> None:
    with pytest.raises((vqt.QuantizeError, vqt.ConfigError), match="calibration="):
        vqt.quantize(torch.jit.script(Model()), STATIC)
    with pytest.raises(vqt.QuantizeError, match="at least one input"):
        vqt.quantize(torch.jit.script(Model()), STATIC, calibration=[])


def test_a_site_calibration_cannot_reach_stays_float_with_a_warning() -> None:
    scripted = torch.jit.script(Model())
    result = vqt.quantize(scripted, STATIC, calibration=[torch.randn(5, 16)])
    assert quantized_names(result) == ["a", "b"]
    assert "optional input" in sites(result)["extra"].reason
    assert any("extra" in warning for warning in vqt.report(result).warnings)
    reached = vqt.quantize(scripted, STATIC, calibration=[(torch.randn(5, 16), torch.randn(5, 16))])
    assert quantized_names(reached) == ["a", "b", "extra"]


def test_a_site_on_an_ordinary_path_that_saw_nothing_is_an_error() -> None:
    class Branch(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.rare = nn.Linear(8, 8), nn.Linear(8, 8)

        def forward(self, x: Tensor) -> Tensor:
            if x.sum() > 1e6:
                x = self.rare(x)
            return self.a(x)

    with pytest.raises(vqt.QuantizeError, match="^rare: calibration: none of the 1 inputs reached it"):
        vqt.quantize(torch.jit.script(Branch()), STATIC, calibration=[torch.randn(2, 8)])


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_nan_in_calibration_names_the_site(bad: float) -> None:
    x = torch.randn(5, 16)
    x[2, 3] = bad
    with pytest.raises(vqt.QuantizeError, match="^a: calibration: .*NaN or Inf"):
        vqt.quantize(torch.jit.script(Model()), STATIC, calibration=[x])


def test_static_attention_slices_and_shared_functions() -> None:
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attn = nn.MultiheadAttention(32, 4, batch_first=True)

        def forward(self, q: Tensor, k: Tensor) -> Tensor:
            return self.attn(q, k, k)[0]

    model = Attention().eval()
    q, k = torch.randn(2, 6, 32), torch.randn(2, 9, 32)
    result = vqt.quantize(torch.jit.script(model), STATIC, calibration=[(q, k)])
    assert quantized_names(result) == ["attn", "attn.out_proj"]
    with torch.no_grad():
        assert sqnr_db(model(q, k), save_and_load(result)(q, k)) > 25


def test_static_behind_a_fast_path() -> None:
    model = nn.TransformerEncoderLayer(32, 4, 48, batch_first=True).eval()
    x = torch.randn(2, 6, 32)
    result = vqt.quantize(torch.jit.script(model), STATIC, calibration=[x])
    assert len(quantized_names(result)) == 4
    with torch.no_grad():
        assert sqnr_db(model(x), result(x)) > 25


def test_static_in_frozen_models() -> None:
    model = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 16)).eval()
    x = torch.randn(4, 16)
    result = vqt.quantize(torch.jit.freeze(torch.jit.script(model)), STATIC, calibration=[x])
    assert quantized_names(result) == ["frozen.0", "frozen.1"]
    with torch.no_grad():
        assert sqnr_db(model(x), save_and_load(result)(x)) > 30


def test_calibration_leaves_running_state_alone() -> None:
    class Counter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 8)
            self.register_buffer("steps", torch.zeros(1))

        def forward(self, x: Tensor) -> Tensor:
            self.steps += 1
            return self.b(self.a(x))

    scripted = torch.jit.script(Counter())
    result = vqt.quantize(scripted, STATIC, calibration=[torch.randn(2, 8)] * 3, inputs=torch.randn(2, 8))
    assert float(scripted.steps) == 0 and float(result.steps) == 0


@pytest.mark.parametrize("activation", ["dynamic", "static", "none"])
def test_measured_sites(activation: str) -> None:
    model = Model().eval()
    x = torch.randn(50, 16)
    config = {**STATIC, "activation": activation, "ignore": ["extra"], "overrides": [{"targets": ["b"], "quant_type": "int4_group", "group_size": 8}]}
    scripted = torch.jit.script(model)
    result = vqt.quantize(scripted, config, calibration=[x] if activation == "static" else None, inputs=x)
    table = sites(result)
    with torch.no_grad():
        first = model.a(x)
        assert table["a"].output_sqnr_db == pytest.approx(sqnr_db(first, result.a(x)), abs=0.01)
        hidden = F.relu(first)  # what b sees in the float model
        assert table["b"].output_sqnr_db == pytest.approx(sqnr_db(model.b(hidden), result.b(hidden)), abs=0.01)
    assert table["a"].weight_sqnr_db > table["b"].weight_sqnr_db > 15
    assert table["a"].ms_float > 0 and table["a"].ms_quantized > 0
    assert math.isnan(table["extra"].output_sqnr_db)
    assert "measure" not in str(result.inlined_graph)
    plain = vqt.quantize(scripted, config, calibration=[x] if activation == "static" else None)
    assert math.isnan(sites(plain)["a"].ms_float)


def test_times_are_of_all_calls_and_the_guard_needs_an_input() -> None:
    class Often(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.once, self.often = nn.Linear(256, 256), nn.Linear(256, 256)

        def forward(self, x: Tensor) -> Tensor:
            y = self.once(x)
            for _ in range(50):
                y = y + self.often(x)
            return y + self.often(x[:1])

    scripted = torch.jit.script(Often())
    table = sites(vqt.quantize(scripted, {**STATIC, "activation": "dynamic"}, inputs=torch.randn(64, 256)))
    assert table["often"].ms_float > 10 * table["once"].ms_float
    assert table["often"].ms_quantized > 10 * table["once"].ms_quantized
    with pytest.raises(vqt.QuantizeError, match="speed_guard: needs an input to measure the layers on, got none"):
        vqt.quantize(scripted, {"skip_first_last": False}, speed_guard=True)


@pytest.mark.parametrize("guard", [False, True])
def test_the_speed_guard_leaves_tied_weights_tied(guard: bool) -> None:
    """Groups of 12 run on the reference kernel: slower than float on any machine."""
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Linear(256, 256), nn.Linear(256, 256), nn.Linear(256, 256)
            self.b.weight = self.a.weight

        def forward(self, x: Tensor) -> Tensor:
            return self.c(self.b(self.a(x)))

    scripted = torch.jit.script(Shared())
    x = torch.randn(64, 256)
    config = {"quant_type": "int4_group", "group_size": 12, "skip_first_last": False, "activation": "none",
              "overrides": [{"targets": ["c"], "bits": 8}]}
    result = vqt.quantize(scripted, config, inputs=x, speed_guard=False)
    assert {s.action for s in vqt.report(result).sites} == {"quantized"}
    if not guard:
        return
    try:
        result = vqt.quantize(scripted, config, inputs=x, speed_guard=True)
    except vqt.QuantizeError as all_slower:  # where even c loses
        assert str(all_slower).count("slower than float here") == 2
        return
    table = sites(result)
    assert table["a"].action == table["b"].action == "float"
    assert table["a"].reason == table["b"].reason and table["a"].reason.endswith(", summed over all layers with its weight")
    assert result.a.weight.data_ptr() == result.b.weight.data_ptr()
    assert table["c"].action == ("quantized" if table["c"].ms_quantized <= table["c"].ms_float else "float")
    with torch.no_grad():
        assert_same(result.b(result.a(x)), scripted.b(scripted.a(x)))


def test_weight_sqnr() -> None:
    model = nn.Sequential(nn.Linear(16, 16), nn.Linear(16, 16))
    with torch.no_grad():
        model[1].weight.copy_(torch.randint(-127, 128, (16, 16)).float())
        model[1].weight[:, 0] = 127.0
    result = vqt.quantize(torch.jit.script(model), {**STATIC, "activation": "none"})
    w = model[0].weight.detach()
    scale = w.abs().amax(1, keepdim=True) / 127
    back = torch.clamp(torch.round(w / scale), -127, 127) * scale
    assert sites(result)["0"].weight_sqnr_db == pytest.approx(sqnr_db(w, back), abs=1e-6)
    assert sites(result)["1"].weight_sqnr_db == math.inf


def test_device_cuda_without_cuda_kernels_stores_canonical_weights() -> None:
    model = nn.Sequential(nn.Linear(16, 16), nn.Linear(16, 16)).eval()
    config = {**STATIC, "activation": "dynamic"}
    fast = vqt.quantize(torch.jit.script(model), config)
    plain = vqt.quantize(torch.jit.script(model), {**config, "device": "cuda"})
    assert len([w for w in vqt.report(plain).warnings if "device" in w]) == 1
    x = torch.randn(4, 16)
    with torch.no_grad():
        torch.testing.assert_close(plain(x), fast(x), rtol=1e-5, atol=1e-5)  # equal sums, another order in the float part
        assert vqt.repack(fast) == 0 and vqt.repack(plain) == 2 and vqt.repack(plain) == 0
        assert torch.equal(plain.__getattr__("0").weight_q, fast.__getattr__("0").weight_q)
        assert_same(fast(x), plain(x))


def test_repack_keeps_ties_and_reaches_frozen_models() -> None:
    model = nn.Sequential(nn.Linear(16, 16), nn.Linear(16, 16)).eval()
    model[1].weight = model[0].weight
    config = {**STATIC, "activation": "dynamic", "device": "cuda"}
    tied = vqt.quantize(torch.jit.script(model), config)
    assert vqt.repack(tied) == 1
    assert tied.__getattr__("0").weight_q.data_ptr() == tied.__getattr__("1").weight_q.data_ptr()
    frozen = save_and_load(vqt.quantize(torch.jit.freeze(torch.jit.script(model)), config))
    assert vqt.repack(frozen) == 1
    x = torch.randn(4, 16)
    with torch.no_grad():
        assert_same(frozen(x), tied(x))
