"""Convolutions become integer ones: which, why others stay, what is fused, and that they compute the same."""

import copy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
import vqt
from pass_check import assert_same, flatten, save_and_load, sites, sqnr_db
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples"))
from vggt.config import DenseHeadConfig  # noqa: E402
from vggt.dense_head import DenseHead  # noqa: E402

CONFIG = {"convolutions": "int8", "skip_first_last": False}
Make = Callable[[nn.Module, Tensor], torch.jit.ScriptModule]
MAKES = pytest.mark.parametrize(
    "make", [lambda m, x: torch.jit.script(m), lambda m, x: torch.jit.trace(m, x)], ids=["scripted", "traced"]
)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


class Bottleneck(nn.Module):
    """As in ResNet, ResNeXt with groups, DeepLab with a dilation."""

    def __init__(self, channels: int, stride: int = 1, groups: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 32, 1, bias=False)
        self.conv2 = nn.Conv2d(32, 32, 3, stride, dilation, dilation, groups)
        self.conv3 = nn.Conv2d(32, 64, 1)
        self.down = nn.Conv2d(channels, 64, 1, stride) if stride != 1 or channels != 64 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.conv2(F.relu(self.conv1(x))))
        return F.relu(self.conv3(y) + self.down(x))


class Classifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 7, 2, 3)
        self.a = Bottleneck(32)
        self.b = Bottleneck(64, stride=2)
        self.c = Bottleneck(64, groups=32)
        self.d = Bottleneck(64, dilation=2)
        self.few = nn.Conv2d(64, 8, 1)
        self.fc = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.d(self.c(self.b(self.a(F.relu(self.stem(x))))))
        return self.fc(self.few(x).mean((2, 3)))


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(32, 64, 3, stride=2, padding="valid")
        self.mid = nn.Conv2d(64, 64, 3, padding="same")
        self.up = nn.ConvTranspose2d(64, 32, 2, stride=2)
        self.merge = nn.Conv2d(64, 32, 3, padding=1)
        self.out = nn.ConvTranspose2d(32, 16, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.up(F.relu(self.mid(F.relu(self.down(x)))))
        return self.out(self.merge(torch.cat([x[:, :, : y.size(2), : y.size(3)], y], 1)))


def count(module: torch.jit.ScriptModule, op: str) -> int:
    return str(module.inlined_graph).count(op + "(")


def quantize(make: Make, model: nn.Module, x: Tensor, db: float = 30, **fields: object) -> torch.jit.ScriptModule:
    """Quantized and through a file: close to the float model, described from the archive as in its report."""
    model = model.eval()
    with torch.no_grad():
        module = make(model, x)
        state = copy.deepcopy(module.state_dict())
        result = vqt.quantize(module, {**CONFIG, **fields})
        loaded = save_and_load(result)
        assert sqnr_db(model(x), loaded(x)) > db
        assert_same(result(x), loaded(x))
        assert_same(module.state_dict().values(), state.values())
    rows, described = (
        {(s.name, s.kind, s.shape, s.action, s.scheme, s.calls, s.bytes_before, s.bytes_after) for s in listed}
        for listed in (vqt.report(result).sites, vqt.list_sites(loaded))
    )
    assert rows == described  # in another order where a convolution was moved behind the map that it adds
    for site in vqt.report(result).sites:
        owner = model.get_submodule(site.name)
        assert list(site.shape) == list(owner.weight.transpose(0, 1).flatten(1).shape if isinstance(owner, nn.ConvTranspose2d) else owner.weight.flatten(1).shape)
        if site.action == "quantized":  # no float weight is left of it
            assert f"{site.name}.weight" not in loaded.state_dict()
    return result


@MAKES
def test_which_convolutions_and_why_not(make: Make) -> None:
    result = quantize(make, Classifier(), torch.randn(2, 3, 40, 36))
    rows = sites(result)
    assert {name: row.reason for name, row in rows.items() if row.action == "float"} == {
        "stem": "3 input channels",
        "c.conv2": "32 groups",
        "d.conv2": "dilation 2 x 2",
        "few": "8 output channels",
    }
    assert {row.kind for row in rows.values()} == {"linear", "convolution"}
    assert [name for name, row in rows.items() if row.kind == "linear"] == ["fc"]
    assert rows["a.conv2"].scheme == "w8a8" and rows["a.conv2"].bytes_before == 32 * 32 * 9 * 4
    # 16 / 9 bytes a weight, scales beside them.
    assert 16 * 32 * 32 < rows["a.conv2"].bytes_after < 16 * 32 * 32 * 1.5


@MAKES
def test_float_is_the_same_model(make: Make) -> None:
    model, x = Classifier().eval(), torch.randn(1, 3, 40, 36)
    result = vqt.quantize(make(model, x), {"convolutions": "float", "skip_first_last": False})
    assert [s.name for s in vqt.report(result).sites if s.action == "quantized"] == ["fc"]
    assert {s.reason for s in vqt.report(result).sites if s.kind == "convolution"} == {"convolutions: float"}
    assert count(result, "vqt::conv2d_int8") == 0


@MAKES
def test_transposed_and_padding_by_name(make: Make) -> None:
    result = quantize(make, UNet(), torch.randn(2, 32, 21, 17))
    assert {n: row.reason for n, row in sites(result).items() if row.action == "float"} == {
        "out": "transposed with a kernel of 3 x 3 and a stride of 2 x 2"
    }
    assert count(result, "vqt::conv_transpose2d_int8") == 1


class OutputSize(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(32, 32, 2, stride=2)
        self.sized = nn.ConvTranspose2d(32, 32, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.up(x)
        return self.sized(y, [2 * y.size(2) + 1, 2 * y.size(3) + 1])


def test_an_output_size_keeps_a_transposed_convolution_float() -> None:
    model, x = OutputSize().eval(), torch.randn(1, 32, 5, 6)
    result = quantize(lambda m, x: torch.jit.script(m), model, x)
    assert {n: (row.action, row.reason) for n, row in sites(result).items()} == {
        "up": ("quantized", ""),
        "sized": ("float", "its output_padding is known at run time only"),
    }
    with pytest.raises(torch.jit.Error, match="output_size: this quantized convolution takes none"):
        result.up(x, [11, 13])
    assert torch.equal(result.up(x), result.up(x, None))


class Unit(nn.Module):
    """VGGT's residual unit: the skip adds relu(x), in place."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(32, 32, 3, padding=1)
        self.conv2 = nn.Conv2d(32, 32, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(x)
        return self.conv2(F.relu(self.conv1(x), inplace=True)).add_(x)


class Pyramid(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.coarse = nn.Conv2d(32, 32, 3, stride=2, padding=1)
        self.fine = nn.Conv2d(32, 32, 3, padding=1)
        self.unit1 = Unit()
        self.unit2 = Unit()
        self.out = nn.Conv2d(32, 16, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        fine, coarse = self.fine(x), self.coarse(x)
        up = F.interpolate(coarse, size=[fine.size(2), fine.size(3)], mode="bilinear", align_corners=True)
        x = self.unit2(self.unit1(fine).add_(up))
        x = F.interpolate(x, size=[2 * x.size(2), 2 * x.size(3)], mode="bilinear", align_corners=True)
        half = x.size(1) // 2
        x[:, :half].add_(torch.linspace(-1, 1, x.size(3)).expand(half, -1).unsqueeze(1))
        x[:, half:].add_(torch.linspace(-1, 1, x.size(2)).expand(half, -1).unsqueeze(2))
        return F.relu(self.out(x))


def test_sums_relus_and_resizing_go_into_the_convolutions() -> None:
    model, x = Pyramid().eval(), torch.randn(2, 32, 12, 9)
    result = quantize(lambda m, x: torch.jit.script(m), model, x)
    for op in ("aten::relu", "aten::relu_", "aten::add_", "aten::upsample_bilinear2d", "aten::slice"):
        assert count(result, op) == 0, op
    made = vqt.report(result).fusions_made
    assert made["convolution"] == 8 and made["resize"] == 1
    plain = vqt.quantize(torch.jit.script(model), {**CONFIG, "fusions": ["none"]})
    assert count(plain, "aten::upsample_bilinear2d") > 0
    with torch.no_grad():  # on the same integers, but for the order of float additions
        assert sqnr_db(plain(x), result(x)) > 40


def test_a_sum_with_another_shape_or_dtype_is_what_torch_makes_of_it() -> None:
    class Sums(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(32, 32, 3, padding=1)

        def forward(self, x: Tensor, other: Tensor) -> Tensor:
            return F.relu(self.conv(x) + other)

    model, x = Sums().eval(), torch.randn(2, 32, 6, 5)
    result = vqt.quantize(torch.jit.script(model), CONFIG)
    for other in (
        torch.randn(2, 32, 6, 5), torch.randn(1, 32, 1, 1), torch.tensor(0.5), torch.randn(5), torch.randn(3, 2, 32, 6, 5),
        torch.randn(2, 32, 6, 5).double(), torch.randint(3, (2, 32, 6, 5)), torch.randn(2, 32, 6, 5).half(),
    ):
        with torch.no_grad():
            expected, got = model(x, other), result(x, other)
        assert got.dtype == expected.dtype and got.shape == expected.shape, other.shape
        assert sqnr_db(expected, got) > 30, other.shape


def test_what_reads_a_map_besides_is_left_alone() -> None:
    class Reads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Conv2d(32, 32, 1)
            self.b = nn.Conv2d(32, 32, 1)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            y = self.a(x)
            z = self.b(x)
            kept = x.clone()
            x.mul_(2)
            return F.relu(y), y, z + kept

    model, x = Reads().eval(), torch.randn(1, 32, 4, 5)
    result = vqt.quantize(torch.jit.script(model), CONFIG)
    with torch.no_grad():
        for e, g in zip(flatten(model(x.clone())), flatten(result(x.clone())), strict=True):
            assert sqnr_db(e, g) > 30


class Head(nn.Module):
    """VGGT's depth head on four levels of tokens."""

    def __init__(self) -> None:
        super().__init__()
        config = DenseHeadConfig(64, 2, "exp", "expp1", 64, [32, 48, 64, 64], [0, 1, 2, 3])
        self.head = DenseHead(config, [0, 1, 2, 3], 5, 14)

    def forward(self, tokens: Tensor) -> Tensor:
        values, confidence = self.head([tokens, tokens + 1, -tokens, tokens * 0.5], 4, 5)
        return torch.cat([values.squeeze(-1), confidence])


def test_vggts_dense_head() -> None:
    model, x = Head().eval(), torch.randn(1, 2, 5 + 20, 64)
    result = quantize(lambda m, x: torch.jit.script(m), model, x, db=40)
    kept = {n: row.reason for n, row in sites(result).items() if row.action == "float"}
    assert kept == {"head.scratch.output_conv2.2": "2 output channels"}
    made = vqt.report(result).fusions_made
    # 4 positions after `projects`; the relu of 4 levels; 7 units with a relu and a sum each, 3 of them with the coarser
    # map and a relu after it; the last ReLU. 2 resized maps in front of 3 x 3 convolutions.
    assert made["convolution"] == 4 + 4 + 7 * 2 + 3 * 2 + 1 and made["resize"] == 2, vqt.report(result)
    graph = str(result.forward.graph)
    for op in ("aten::relu", "aten::relu_", "aten::upsample_bilinear2d"):
        assert graph.count(op + "(") == 0, op
    assert graph.count("aten::add_(") == 0


def test_half_and_bfloat16() -> None:
    for dtype in (torch.bfloat16, torch.float16):
        model = nn.Sequential(nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.ConvTranspose2d(32, 32, 2, 2)).eval().to(dtype)
        x = torch.randn(1, 32, 7, 6, dtype=dtype)
        result = vqt.quantize(torch.jit.script(model), CONFIG)
        with torch.no_grad():
            assert result(x).dtype == dtype and sqnr_db(model(x).float(), result(x).float()) > 30
        assert vqt.report(result).sites[0].bytes_before == 32 * 32 * 9 * 2


def test_measured_and_guarded() -> None:
    model, x = Classifier().eval(), torch.randn(1, 3, 64, 64)
    result = vqt.quantize(torch.jit.script(model), CONFIG, inputs=x)
    row = sites(result)["a.conv2"]
    assert row.output_sqnr_db > 25 and row.ms_float > 0 and row.ms_quantized > 0
    guarded = vqt.quantize(torch.jit.script(model), CONFIG, inputs=x, speed_guard=True)
    for site in vqt.report(guarded).sites:
        assert site.reason.startswith("slower than float here") == (site.action == "float" and site.ms_quantized > site.ms_float)


def test_nan_is_named() -> None:
    model = nn.Sequential(nn.Conv2d(32, 32, 3, padding=1)).eval()
    model[0].weight.data[3, 2, 1, 1] = float("nan")
    with pytest.raises(vqt.QuantizeError, match="0: the weight .* has NaN or Inf"):
        vqt.quantize(torch.jit.script(model), CONFIG)


def test_a_quantized_cnn_is_refused_and_repacked() -> None:
    result = vqt.quantize(torch.jit.script(nn.Sequential(nn.Conv2d(32, 32, 3)).eval()), CONFIG)
    with pytest.raises(vqt.QuantizeError, match="already quantized"):
        vqt.quantize(result, CONFIG)
    assert vqt.repack(result) == 0
