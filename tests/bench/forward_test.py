"""Which kind of op a profiled name and its shapes are."""

from types import SimpleNamespace

import pytest

from bench import forward

HEADS = [2, 16, 1041, 64]
TOKENS = [2, 1041, 1024]


@pytest.mark.parametrize(
    ("name", "shapes", "expected"),
    [
        ("aten::addmm", [[1024], [2082, 1024]], "linears"),
        ("aten::linear", [TOKENS], "linears"),
        ("vqt::linear_int8", [TOKENS], "linears"),
        ("aten::_scaled_dot_product_flash_attention_for_cpu", [HEADS], "attention"),
        ("aten::mkldnn_convolution", [[2, 256, 56, 74]], "convolutions"),
        ("aten::conv_transpose2d", [[2, 256, 28, 37]], "convolutions"),
        ("vqt::conv2d_int8", [[2, 256, 56, 74]], "convolutions"),
        ("vqt::conv_transpose2d_int8", [[2, 256, 28, 37]], "convolutions"),
        ("vqt::attention", [HEADS, HEADS, HEADS], "attention"),
        ("aten::native_layer_norm", [TOKENS], "norm and quantize"),
        ("vqt::layer_norm_quantize", [TOKENS], "norm and quantize"),
        ("aten::gelu", [[2, 1041, 4096]], "GELU"),
        ("aten::add", [TOKENS, TOKENS, []], "residual and scale"),
        ("aten::mul", [TOKENS, [1024]], "residual and scale"),
        ("aten::mul", [HEADS, [1041, 64]], "rotary"),
        ("aten::add", [HEADS, HEADS, []], "rotary"),
        ("aten::neg", [[2, 16, 1041, 16]], "rotary"),
        ("vqt::rotary", [HEADS], "rotary"),
        ("aten::cat", [[], []], "copies and concatenations"),  # of lists the profiler records no shapes
        ("aten::copy_", [[2082, 4096], [2082, 4096], []], "linears"),  # addmm's bias
        ("aten::copy_", [[2, 256, 224, 296], [256, 1, 1], []], "convolutions"),  # a convolution's bias
        ("aten::copy_", [[256, 256, 3, 3], [256, 256, 3, 3], []], "convolutions"),
        ("aten::copy_", [HEADS, HEADS, []], "copies and concatenations"),
        ("aten::add", [[2, 256, 56, 74], [2, 256, 56, 74], []], "around convolutions"),
        ("aten::add", [[], [], [2, 128, 392, 518], [128, 392, 518], []], "around convolutions"),
        ("aten::clamp_min", [[2, 256, 112, 148], []], "around convolutions"),
        ("aten::upsample_bilinear2d", [[2, 256, 28, 37]], "around convolutions"),
        ("aten::view", [TOKENS], "other"),
    ],
)
def test_kind(name: str, shapes: list, expected: str) -> None:
    assert forward.kind(name, shapes) == expected


def test_seconds_are_summed_by_kind_and_nothing_is_lost() -> None:
    events = [
        SimpleNamespace(key="aten::addmm", input_shapes=[], self_cpu_time_total=1.5e6),
        SimpleNamespace(key="vqt::linear_int4", input_shapes=[], self_cpu_time_total=0.5e6),
        SimpleNamespace(key="aten::exp", input_shapes=[], self_cpu_time_total=0.25e6),
    ]
    seconds = forward.by_kind(events)
    assert (seconds["linears"], seconds["other"], sum(seconds.values())) == (2.0, 0.25, 2.25)
    assert list(seconds) == list(forward.KINDS)
