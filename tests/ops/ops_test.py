"""How the ops live inside torch: opcheck, scripting, tracing, compiling, exporting, fake tensors.
(linear_int8 and linear_int4 have their own files.)"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import qref
import torch
from qref import Scheme
from torch import Tensor

ops = torch.ops.vqt
KINDS = [("per_tensor", 0), ("per_channel", 0), ("group", 4), ("group", 7), ("group", -1)]
SCHEMES = [Scheme(b, s, *kind) for b, s in qref.WIDTHS for kind in KINDS]


def quantized(s: Scheme, n: int = 6, k: int = 11) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    x = torch.from_numpy(qref.weights(n, k)["normal"])
    scale, zero = ops.choose_qparams(x, *s.args)
    return x, scale, zero, ops.quantize(x, scale, zero, *s.args)


@pytest.mark.parametrize("s", SCHEMES, ids=str)
def test_opcheck_quantizers(s: Scheme) -> None:
    x, scale, zero, q = quantized(s)
    torch.library.opcheck(ops.choose_qparams.default, (x, *s.args))
    torch.library.opcheck(ops.quantize.default, (x.half(), scale, zero, *s.args))
    torch.library.opcheck(ops.dequantize.default, (q, scale, zero, *s.args), {"k": 11, "dtype": torch.bfloat16})


@pytest.mark.parametrize("s", SCHEMES, ids=str)
def test_opcheck_packing(s: Scheme) -> None:
    _, scale, zero, q = quantized(s)
    torch.library.opcheck(ops.pack_weight.default, (q, scale, zero, *s.args), {"k": 11})
    packed = ops.pack_weight(q, scale, zero, *s.args, k=11)
    torch.library.opcheck(ops.unpack_weight.default, (packed, 11, *s.args))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shape", [(2, 3, 11), (4, 11), (11,), (0, 11)], ids=str)
def test_opcheck_activations(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    x = torch.randn(shape).to(dtype)
    for symmetric in (False, True):
        torch.library.opcheck(ops.quantize_per_token.default, (x, symmetric))
    torch.library.opcheck(ops.observe.default, (x, torch.zeros(4)))
    for granularity in ("per_tensor", "per_channel"):
        s = Scheme(16, True, granularity)
        _, scale, zero, q = quantized(s)
        for bias in (None, torch.randn(6)):
            torch.library.opcheck(ops.linear_int16.default, (x, q, bias, scale))
        packed = ops.pack_weight(q, scale, zero, *s.args)
        torch.library.opcheck(ops.linear_int16.default, (x, packed, torch.randn(2)), {"row_begin": 1, "row_end": 3})


def weight_only(x: Tensor, w: Tensor, bits: int, group: int) -> Tensor:
    """Every functional op in one body that scripts."""
    scale, zero = torch.ops.vqt.choose_qparams(w, bits, False, "group", group)
    q = torch.ops.vqt.quantize(w, scale, zero, bits, False, "group", group)
    packed = torch.ops.vqt.pack_weight(q, scale, zero, bits, False, "group", group, w.size(1))
    q, scale, zero = torch.ops.vqt.unpack_weight(packed, w.size(1), bits, False, "group", group)
    w = torch.ops.vqt.dequantize(q, scale, zero, bits, False, "group", group, w.size(1))
    t, t_scale, t_zero = torch.ops.vqt.quantize_per_token(x, True)
    return torch.nn.functional.linear((t - t_zero) * t_scale, w)


class Int16(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        s = Scheme(16, True)
        _, scale, zero, q = quantized(s)
        self.register_buffer("weight", ops.pack_weight(q, scale, zero, *s.args))
        self.bias = torch.nn.Parameter(torch.ones(6))

    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.vqt.linear_int16(x, self.weight, self.bias)


@pytest.mark.parametrize(("bits", "group"), [(8, 11), (8, 7), (4, 8), (4, -1)])
def test_script_and_trace(bits: int, group: int) -> None:
    x, w = torch.randn(2, 5, 11), torch.randn(6, 11)
    want = weight_only(x, w, bits, group)
    assert torch.equal(torch.jit.script(weight_only)(x, w, bits, group), want)
    traced = torch.jit.trace(lambda a, b: weight_only(a, b, bits, group), (x, w))
    assert torch.equal(traced(x, w), want)
    other = torch.randn(3, 11)  # a trace holds for other leading sizes
    assert torch.equal(traced(other, w), weight_only(other, w, bits, group))


def test_a_saved_module_loads_and_keeps_its_bytes(tmp_path) -> None:
    x = torch.randn(4, 11)
    module = Int16()
    want = module(x)
    torch.jit.script(module).save(str(tmp_path / "m.pt"))
    loaded = torch.jit.load(str(tmp_path / "m.pt"))
    assert torch.equal(loaded(x), want)
    loaded.half()  # rounds the bias, not what is packed
    assert torch.equal(loaded.weight, module.weight)
    assert torch.equal(loaded(x), want)


def test_observe_writes_inside_a_script() -> None:
    @torch.jit.script
    def watch(x: Tensor, statistics: Tensor) -> Tensor:
        torch.ops.vqt.observe(x, statistics)
        torch.ops.vqt.observe(x * 2, statistics)
        return x

    s = torch.tensor([float("inf"), -float("inf"), 0.0, 0.0])
    for _ in range(3):  # the profiling executor rewrites the graph after the first runs
        watch(torch.tensor([1.0, -2.0]), s)
    assert s.tolist() == [-4.0, 2.0, 12.0, 0.0]  # not removed as dead code, not merged


def test_export_keeps_dynamic_sizes() -> None:
    module = Int16()
    rows = torch.export.Dim("rows", min=0, max=1000)
    program = torch.export.export(module, (torch.randn(4, 11),), dynamic_shapes=({0: rows},))
    targets = [str(n.target) for n in program.graph.nodes if n.op == "call_function"]
    assert targets == ["vqt.linear_int16.default"]
    for m in (0, 1, 9):
        x = torch.randn(m, 11)
        assert torch.equal(program.module()(x), module(x))


def test_compile_with_dynamic_sizes() -> None:
    compiled = torch.compile(weight_only, backend="aot_eager", dynamic=True, fullgraph=True)
    for m, n, k in [(3, 6, 16), (5, 7, 24)]:
        x, w = torch.randn(m, k), torch.randn(n, k)
        assert torch.equal(compiled(x, w, 4, 8), weight_only(x, w, 4, 8))


@pytest.mark.parametrize("s", SCHEMES, ids=str)
def test_fake_tensors_say_what_comes_out(s: Scheme) -> None:
    """Shapes, strides and dtypes of the Meta kernels, for symbolic sizes too."""
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.fx.experimental.symbolic_shapes import ShapeEnv

    x, scale, zero, q = quantized(s)
    real = [
        scale,
        zero,
        q,
        ops.dequantize(q, scale, zero, *s.args, k=11, dtype=torch.float16),
        *ops.quantize_per_token(x),
    ]
    packed = ops.pack_weight(q, scale, zero, *s.args, k=11)
    real += [packed, *ops.unpack_weight(packed, 11, *s.args)]
    for shape_env in (None, ShapeEnv()):
        with FakeTensorMode(shape_env=shape_env, static_shapes=shape_env is None) as mode:
            fx = mode.from_tensor(x)
            f_scale, f_zero = ops.choose_qparams(fx, *s.args)
            fq = ops.quantize(fx, f_scale, f_zero, *s.args)
            fake = [
                f_scale,
                f_zero,
                fq,
                ops.dequantize(fq, f_scale, f_zero, *s.args, k=11, dtype=torch.float16),
            ]
            fake += ops.quantize_per_token(fx)
            f_packed = ops.pack_weight(fq, f_scale, f_zero, *s.args, k=11)
            fake += [f_packed, *ops.unpack_weight(f_packed, 11, *s.args)]
            for a, b in zip(real, fake, strict=True):
                assert tuple(map(int, b.shape)) == tuple(a.shape)
                assert b.dtype == a.dtype


def test_meta_kernels_refuse_what_the_cpu_refuses() -> None:
    m = {"device": "meta"}
    x, q, s, z = (
        torch.empty(3, 10, **m),
        torch.empty(3, 10, dtype=torch.int8, **m),
        torch.empty(3, **m),
        torch.empty(3, dtype=torch.int32, **m),
    )
    for call, error, text in [
        (
            lambda: ops.choose_qparams(x.double(), 8, True, "per_tensor"),
            TypeError,
            "x: expected float32, bfloat16 or float16, got float64",
        ),
        (
            lambda: ops.quantize(x, s[:2], z, 8, True, "per_channel"),
            ValueError,
            "scale: expected float32 [3], got float32 [2]",
        ),
        (
            lambda: ops.dequantize(q, s, z, 8, False, "per_channel"),
            TypeError,
            "q: expected uint8 [..., K], got int8 [3, 10]",
        ),
        (
            lambda: ops.pack_weight(q, s, z, 8, True, "per_row"),
            ValueError,
            "granularity: expected per_tensor",
        ),
        (
            lambda: ops.unpack_weight(q, 10, 8, True, "per_channel"),
            TypeError,
            "packed: expected uint8 [N, bytes a row], got int8",
        ),
        (lambda: ops.quantize_per_token(q), TypeError, "x: expected float32, bfloat16 or float16, got int8"),
        (
            lambda: ops.linear_int16(x, q.short(), None, s[:2]),
            ValueError,
            "scale: expected float32 [1] or [N]",
        ),
        (lambda: ops.linear_int16(x[:, :9], q.short(), None, s), ValueError, "x: expected [..., 10]"),
        (lambda: ops.observe(x, s, "minmax"), ValueError, "statistics: expected float32 [4]"),
    ]:
        with pytest.raises(error) as caught:
            call()
        assert text in str(caught.value)


def test_runs_without_no_grad() -> None:
    """A float layer in front makes x require grad; the ops have no gradient, and must not fail over it."""
    layer = torch.nn.Linear(11, 11)
    module = Int16()
    x = torch.randn(3, 11)
    with torch.no_grad():
        want = module(layer(x))
    assert torch.equal(module(layer(x)).detach(), want)
    q, _, zero = ops.quantize_per_token(layer(x))
    assert not q.requires_grad and not zero.requires_grad


@pytest.mark.parametrize("name", ["ref", "avx2"])
def test_isa_can_be_forced(name: str) -> None:
    code = (
        "import conftest, torch; x = torch.linspace(-3, 5, 999).reshape(9, 111);"
        "print([t.tolist() for t in torch.ops.vqt.quantize_per_token(x)])"
    )

    def run(isa: str) -> subprocess.CompletedProcess:
        env = {**os.environ, "VQT_ISA": isa, "PYTHONPATH": str(Path(__file__).parent)}
        return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)

    result = run(name)
    if "expected an instruction set of this CPU" in result.stderr:
        pytest.skip(f"no {name} here")
    assert result.returncode == 0, result.stderr
    x = torch.linspace(-3, 5, 999).reshape(9, 111)
    assert result.stdout.strip() == str([t.tolist() for t in ops.quantize_per_token(x)])
    if name == "ref":
        wrong = run("sse9")
        assert 'VQT_ISA: expected one of ref, avx2, avxvnni, avx512vnni, amx, got "sse9"' in wrong.stderr
