"""docs/ops.md says what the library does: its schemas are the registered ones, its examples run."""

import re
from pathlib import Path

import pytest
import torch

ops = torch.ops.vqt
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "ops.md").read_text()
SCHEMAS = re.findall(r"^`(\w+\(.*\) -> .*)`$", PAGE, flags=re.MULTILINE)
NAMES = [
    "choose_qparams", "quantize", "dequantize", "quantize_per_token", "quantize_activation",
    "layer_norm_quantize", "pack_weight", "unpack_weight",
    "linear_int8", "linear_int4", "linear_int16", "conv_matrix",
    "conv2d_int8", "conv_transpose2d_int8", "rotary", "attention", "observe",
]  # fmt: skip


def test_every_op_has_its_schema_on_the_page() -> None:
    assert [text.split("(")[0] for text in SCHEMAS] == NAMES


@pytest.mark.parametrize("text", SCHEMAS, ids=lambda text: text.split("(")[0])
def test_schemas_are_the_registered_ones(text: str) -> None:
    registered = getattr(ops, text.split("(")[0]).default._schema
    assert torch._C.parse_schema("vqt::" + text) == registered


def test_examples_run() -> None:
    blocks = [b for b in re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL) if "torch.jit.load" not in b]
    assert len(blocks) == 3
    names = {"torch": torch}
    for block in blocks:
        exec(compile(block, "docs/ops.md", "exec"), names)  # noqa: S102
    x, w = names["x"], names["w"]
    want = torch.nn.functional.linear(x, w)
    assert names["y"].shape == want.shape
    assert 10 * torch.log10(want.pow(2).mean() / (names["y"] - want).pow(2).mean()) > 35
    want = torch.nn.functional.conv2d(names["maps"], names["kernels"], padding=1)
    assert 10 * torch.log10(want.pow(2).mean() / (names["results"] - want).pow(2).mean()) > 35
