"""The baselines: one small class per way to compute y = x W^T + b, vqt's included, all with the same interface.

    peer = OrtInt8(weight, bias, x, copies=3)   # weight float32 [N, K]; quantizes, packs, and keeps `copies` of it
    run = peer.bind(x)                          # x float32 [M, K]
    y = run(turn)                               # computes on copy turn % copies

A baseline that cannot run here raises in its constructor or in bind: its message goes on the page.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

Run = Callable[[int], Any]
SYMMETRIC = (8, True, "per_channel")


def load_ops() -> Any:
    """torch.ops.vqt out of the build tree (scripts/setup puts build/lib on .venv's path)."""
    import vqt  # noqa: F401

    return torch.ops.vqt


def per_row(w: Tensor) -> tuple[Tensor, Tensor]:
    """Symmetric 8 bits per output row: int8 [N, K], float32 [N]."""
    scale = w.abs().amax(1).clamp_min(1e-12) / 127
    return torch.round(w / scale[:, None]).to(torch.int8), scale


def per_group(w: Tensor, group: int) -> tuple[Tensor, Tensor]:
    """Symmetric 4 bits in groups along K: values -7..7 as int8 [N, K], float32 [N, K / group]."""
    n, k = w.shape
    g = w.reshape(n, k // group, group)
    scale = g.abs().amax(2).clamp_min(1e-12) / 7
    return torch.round(g / scale[..., None]).to(torch.int8).reshape(n, k), scale


class Peer:
    key = ""  # in results.json
    label = ""  # on the page
    package = ""  # what has to be installed; "" is torch itself or ours
    bits = 8  # a weight takes; for the copies that keep weights cold
    ours = False

    def __init__(self, w: Tensor, bias: Tensor, x: Tensor, copies: int = 1, threads: int = 2) -> None:
        raise NotImplementedError

    def bind(self, x: Tensor) -> Run:
        raise NotImplementedError

    @staticmethod
    def array(y: Any) -> np.ndarray:
        """What run() returned, as float32 [M, N]."""
        return y.float().numpy()


class TorchFloat(Peer):
    key, label, bits = "float32", "torch float32", 32

    def __init__(self, w: Tensor, bias: Tensor, x: Tensor, copies: int = 1, threads: int = 2) -> None:
        self.weights, self.bias = [w.clone() for _ in range(copies)], bias

    def bind(self, x: Tensor) -> Run:
        weights, bias, linear = self.weights, self.bias, torch.nn.functional.linear
        return lambda turn: linear(x, weights[turn % len(weights)], bias)


class Ours(Peer):
    """vqt.linear_int8 or linear_int4, quantizing x included unless activation is none."""

    ours = True
    scheme: tuple[Any, ...] = SYMMETRIC
    activation = "dynamic"

    def __init__(self, w: Tensor, bias: Tensor, x: Tensor, copies: int = 1, threads: int = 2) -> None:
        ops = load_ops()
        scale, zero = ops.choose_qparams(w, *self.scheme)
        packed = ops.pack_weight(ops.quantize(w, scale, zero, *self.scheme), scale, zero, *self.scheme)
        self.weights, self.bias = [packed] + [packed.clone() for _ in range(copies - 1)], bias

    def bind(self, x: Tensor) -> Run:
        ops, weights, bias, activation = load_ops(), self.weights, self.bias, self.activation
        if self.scheme[0] == 8:
            return lambda turn: ops.linear_int8(x, weights[turn % len(weights)], bias, activation=activation)
        return lambda turn: ops.linear_int4(x, weights[turn % len(weights)], bias, activation=activation)


class OursInt8(Ours):
    key, label = "vqt_int8", "vqt int8"


class OursInt4g64(Ours):
    key, label, bits, scheme = "vqt_int4_g64", "vqt int4 g64", 4, (4, True, "group", 64)


class OursInt4g128(Ours):
    key, label, bits, scheme = "vqt_int4_g128", "vqt int4 g128", 4, (4, True, "group", 128)


class OursWeightInt8(Ours):
    key, label, activation = "vqt_w8", "vqt int8 weights, float x", "none"


class OursWeightInt4(Ours):
    key, label, bits, scheme, activation = (
        "vqt_w4",
        "vqt int4 g128 weights, float x",
        4,
        (4, True, "group", 128),
        "none",
    )


class TorchDynamic(Peer):
    key, label = "torch_dynamic", "torch.ao quantize_dynamic"

    def __init__(self, w: Tensor, bias: Tensor, x: Tensor, copies: int = 1, threads: int = 2) -> None:
        from torch.ao import quantization

        model = torch.nn.Sequential(torch.nn.Linear(w.shape[1], w.shape[0]))
        model[0].weight.data, model[0].bias.data = w, bias
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            config = {torch.nn.Linear: quantization.per_channel_dynamic_qconfig}
            model = quantization.quantize_dynamic(model.eval(), config, dtype=torch.qint8)
        self.modules = [model[0]] + [copy.deepcopy(model[0]) for _ in range(copies - 1)]

    def bind(self, x: Tensor) -> Run:
        modules = self.modules
        return lambda turn: modules[turn % len(modules)](x)


class TorchIntMm(Peer):
    key, label = "torch_int_mm", "torch._int_mm + elementwise"

    def __init__(self, w: Tensor, bias: Tensor, x: Tensor, copies: int = 1, threads: int = 2) -> None:
        q, self.scale = per_row(w)
        self.weights, self.bias = [q.t().contiguous() for _ in range(copies)], bias

    def bind(self, x: Tensor) -> Run:
        weights, scale, bias = self.weights, self.scale, self.bias

        def run(turn: int) -> Tensor:
            x_scale = x.abs().amax(1, keepdim=True).clamp_min_(1e-12).div_(127)
            q = (x / x_scale).round_().to(torch.int8)
            return torch._int_mm(q, weights[turn % len(weights)]).float().mul_(x_scale).mul_(scale).add_(bias)

        return run


class TorchAo(Peer):
    key, label, package = "torchao", "torchao dynamic int8", "torchao"

    def __init__(self, w: Tensor, bias: Tensor, x: Tensor, copies: int = 1, threads: int = 2) -> None:
        from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_

        self.modules = []
        for _ in range(copies):
            model = torch.nn.Sequential(torch.nn.Linear(w.shape[1], w.shape[0]))
            model[0].weight.data, model[0].bias.data = w.clone(), bias
            quantize_(model.requires_grad_(False), Int8DynamicActivationInt8WeightConfig())
            self.modules.append(model[0])

    def bind(self, x: Tensor) -> Run:
        modules = self.modules
        return lambda turn: modules[turn % len(modules)](x)


class Zentorch(Peer):
    key, label, package = "zentorch", "zentorch dynamic int8", "zentorch"

    def __init__(self, w: Tensor, bias: Tensor, x: Tensor, copies: int = 1, threads: int = 2) -> None:
        import zentorch  # noqa: F401

        q, self.scale = per_row(w)
        self.weights, self.bias = [q.clone() for _ in range(copies)], bias

    def bind(self, x: Tensor) -> Run:
        linear, weights, scale, bias = torch.ops.zentorch.zentorch_dynamic_qlinear, self.weights, self.scale, self.bias

        def run(turn: int) -> Tensor:
            return linear(x, weights[turn % len(weights)], scale, bias)

        for copy_of_weight in range(len(weights)):  # packs each for this number of rows
            run(copy_of_weight)
        return run


class Ort(Peer):
    """ONNX Runtime: one session for each copy of the weight, results in a buffer that stays."""

    package = "onnxruntime"

    def __init__(self, w: Tensor, bias: Tensor, x: Tensor, copies: int = 1, threads: int = 2) -> None:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        model = self.model(w, bias).SerializeToString()
        self.sessions = [
            ort.InferenceSession(model, options, providers=["CPUExecutionProvider"]) for _ in range(copies)
        ]
        self.n = w.shape[0]

    @staticmethod
    def graph(node: Any, n: int, k: int, constants: list[Any]) -> Any:
        from onnx import TensorProto, helper

        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["m", k])
        y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["m", n])
        opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
        graph = helper.make_graph([node], "linear", [x], [y], constants)
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)

    def model(self, w: Tensor, bias: Tensor) -> Any:
        raise NotImplementedError

    def bind(self, x: Tensor) -> Run:
        from onnxruntime import OrtValue

        y = np.empty((x.shape[0], self.n), np.float32)
        self.buffers = x, y  # an OrtValue does not keep the array it shows alive
        bound = []
        for session in self.sessions:
            binding = session.io_binding()
            binding.bind_ortvalue_input("x", OrtValue.ortvalue_from_numpy(x.numpy()))
            binding.bind_ortvalue_output("y", OrtValue.ortvalue_from_numpy(y))
            bound.append((session, binding))

        def run(turn: int) -> Any:
            session, binding = bound[turn % len(bound)]
            session.run_with_iobinding(binding)
            return binding

        return run

    @staticmethod
    def array(y: Any) -> np.ndarray:
        return y.get_outputs()[0].numpy()


class OrtInt8(Ort):
    key, label = "ort_int8", "ONNX Runtime DynamicQuantizeMatMul"

    def model(self, w: Tensor, bias: Tensor) -> Any:
        from onnx import helper, numpy_helper

        q, scale = per_row(w)
        constants = [
            numpy_helper.from_array(q.t().contiguous().numpy(), "w"),
            numpy_helper.from_array(scale.numpy(), "scale"),
            numpy_helper.from_array(np.zeros(w.shape[0], np.int8), "zero"),
            numpy_helper.from_array(bias.numpy(), "bias"),
        ]
        names = ["x", "w", "scale", "zero", "bias"]
        node = helper.make_node("DynamicQuantizeMatMul", names, ["y"], domain="com.microsoft")
        return self.graph(node, *w.shape, constants)


class OrtInt4(Ort):
    key, label, bits = "ort_int4_g128", "ONNX Runtime MatMulNBits g128", 4
    group = 128

    def model(self, w: Tensor, bias: Tensor) -> Any:
        from onnx import helper, numpy_helper

        (n, k), group = w.shape, self.group
        q, scale = per_group(w, group)
        u = (q + 8).to(torch.uint8).reshape(n, k // group, group // 2, 2)
        constants = [
            numpy_helper.from_array((u[..., 0] | u[..., 1] << 4).numpy(), "w"),
            numpy_helper.from_array(scale.reshape(-1).numpy(), "scale"),
            numpy_helper.from_array(bias.numpy(), "bias"),
        ]
        node = helper.make_node(
            "MatMulNBits", ["x", "w", "scale", "", "", "bias"], ["y"], domain="com.microsoft",
            K=k, N=n, bits=4, block_size=group, accuracy_level=4,
        )  # fmt: skip
        return self.graph(node, n, k, constants)


class OpenVino(Peer):
    """OpenVINO: one compiled model for each copy of the weight, two requests never at a time."""

    package = "openvino"
    properties: dict[str, Any] = {}

    def __init__(self, w: Tensor, bias: Tensor, x: Tensor, copies: int = 1, threads: int = 2) -> None:
        import openvino as ov

        config = {
            "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "ENABLE_CPU_PINNING": False,
            "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32", **self.properties,
        }  # fmt: skip
        core = ov.Core()
        self.requests = []
        self.kept: list[np.ndarray] = []  # an ov.Tensor does not keep the array it shows alive
        for _ in range(copies):
            node = ov.opset13.parameter([-1, w.shape[1]], np.float32, name="x")
            y = ov.opset13.matmul(self.activation(node, x), self.weight(w), False, True)
            y = ov.opset13.add(y, ov.opset13.constant(bias.numpy()[None]))
            self.requests.append(core.compile_model(ov.Model([y], [node]), "CPU", config).create_infer_request())

    def activation(self, node: Any, x: Tensor) -> Any:
        return node

    def weight(self, w: Tensor) -> Any:
        raise NotImplementedError

    def bind(self, x: Tensor) -> Run:
        import openvino as ov

        self.input = x
        for request in self.requests:
            request.set_input_tensor(ov.Tensor(x.numpy(), shared_memory=True))
        requests = self.requests

        def run(turn: int) -> Any:
            request = requests[turn % len(requests)]
            request.infer(share_inputs=True, share_outputs=True)
            return request

        return run

    @staticmethod
    def array(y: Any) -> np.ndarray:
        return y.get_output_tensor(0).data


def _scaled(values: Any, scale: np.ndarray, zero: Any = None) -> Any:
    from openvino import opset13 as op

    x = op.convert(values, np.float32)
    if zero is not None:
        x = op.subtract(x, op.convert(zero, np.float32))
    return op.multiply(x, op.constant(scale))


class OpenVinoStatic(OpenVino):
    key, label = "ov_int8_static", "OpenVINO int8 static"

    def activation(self, node: Any, x: Tensor) -> Any:
        from openvino import opset13 as op

        low, high = (op.constant(np.float32(v)) for v in (min(x.min().item(), 0.0), max(x.max().item(), 0.0)))
        return op.fake_quantize(node, low, high, low, high, 256)

    def weight(self, w: Tensor) -> Any:
        from openvino import opset13 as op

        q, scale = per_row(w)
        return _scaled(op.constant(q.numpy()), scale[:, None].numpy())


class OpenVinoCompressed(OpenVino):
    key, label = "ov_int8_dynamic", "OpenVINO int8 compressed, dynamic"
    properties = {"DYNAMIC_QUANTIZATION_GROUP_SIZE": 128}

    def weight(self, w: Tensor) -> Any:
        from openvino import opset13 as op

        q, scale = per_row(w)
        return _scaled(op.constant(q.numpy()), scale[:, None].numpy())


class OpenVinoInt4(OpenVino):
    key, label, bits = "ov_int4_g128", "OpenVINO int4 g128 compressed, dynamic", 4
    properties = {"DYNAMIC_QUANTIZATION_GROUP_SIZE": 128}
    group = 128

    def weight(self, w: Tensor) -> Any:
        import openvino as ov
        from openvino import opset13 as op

        (n, k), group = w.shape, self.group
        q, scale = per_group(w, group)
        u = (q + 8).to(torch.uint8).reshape(-1, 2)
        values, eight = (u[:, 0] | u[:, 1] << 4).numpy(), np.array([8], np.uint8)
        self.kept += [values, eight]
        packed = ov.Tensor(values, ov.Shape([n, k // group, group]), ov.Type.u4)
        zero = ov.Tensor(eight, ov.Shape([1, 1, 1]), ov.Type.u4)
        grouped = _scaled(op.constant(packed), scale[..., None].numpy(), op.constant(zero))
        return op.reshape(grouped, op.constant(np.array([n, k])), False)


INT8 = [OrtInt8, OpenVinoStatic, OpenVinoCompressed, TorchDynamic, TorchIntMm, TorchAo, Zentorch]
INT4 = [OrtInt4, OpenVinoInt4]
OURS = [OursInt8, OursInt4g64, OursInt4g128, OursWeightInt8, OursWeightInt4]
ALL = {peer.key: peer for peer in [TorchFloat, *OURS, *INT8, *INT4]}
