"""The part `convolution` on small layers: every variant computes the same, and the page has its sums."""

import pytest
import torch

from bench import convolution, report


@pytest.fixture(scope="module")
def entries() -> list[dict]:
    with torch.no_grad():
        return convolution.measure(torch.get_num_threads(), lambda text: None, convolution.SMALL, turns=1)


def test_all_variants_compute_the_layer(entries: list[dict]) -> None:
    for e in entries:
        assert {"float32", "bfloat16", "vqt"} <= set(e["seconds"]), e["notes"]
        assert e["errors"]["float32"] < 1e-5
        assert 1e-4 < e["errors"]["vqt"] < 0.03
        assert e["errors"]["bfloat16"] < 0.03


def test_both_heads_are_the_sum_of_their_layers() -> None:
    layers = [{"count": 3, "seconds": {"vqt": 0.5, "float32": 2.0}}, {"count": 1, "seconds": {"vqt": 0.25}}]
    assert convolution.in_both_heads(layers, "vqt") == 2 * (3 * 0.5 + 0.25)
    assert convolution.in_both_heads(layers, "float32") is None


def test_products_are_those_of_the_heads() -> None:
    total = convolution.HEADS * sum(layer.count * layer.products() for layer in convolution.LAYERS)
    assert total == pytest.approx(434.1e9, rel=0.001)  # without the last layers' 2 and 4 channels


def test_page(entries: list[dict]) -> None:
    made = [
        {"name": "a", "count": 1, "products": 2e9, "notes": {"openvino": "not here"},
         "seconds": {"float32": 0.006, "vqt": 0.001}, "errors": {"float32": 0.0, "vqt": 0.0123}},
        {"name": "b", "count": 2, "products": 1e9, "notes": {},
         "seconds": {"float32": 0.002, "vqt": 0.001}, "errors": {"float32": 0.0, "vqt": 0.01}},
    ]  # fmt: skip
    page = "\n".join(report.convolutions({"convolution": made}))
    assert "| a | 1 | 2.00 | 6.00 (0.00 %) | 1.00 (1.23 %) | 6.00 |" in page
    assert "| **both heads** |  |  | 20 | 6 | 3.33 |" in page
    assert "- OpenVINO, static int8: not here" in page
    assert report.convolutions({}) == []
    assert "winograd" in "\n".join(report.convolutions({"convolution": entries}))
