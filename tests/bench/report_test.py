"""A page out of a small made-up results file: every number where it belongs, met and not met as they are."""

import copy
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from bench import __main__ as main
from bench import plots, report, targets


def entry(m: int, k: int, n: int, **seconds: float) -> dict[str, Any]:
    return {"k": k, "n": n, "m": m, "seconds": seconds, "notes": {}, "copies": 2}


# int8 against its fastest baseline: 2.0 at 197 x 1000 -> 1000 and 0.9 at 1374: geometric mean sqrt(1.8) = 1.34
RESULTS: dict[str, Any] = {
    "environment": {
        "cpu": "Made-up CPU", "slug": "made-up", "family": "1", "model": "2", "isas_known": ["ref", "avx512vnni"],
        "isas": ["ref", "avx512vnni"], "isa": "avx512vnni", "cpus": 2, "threads": 2, "memory_bytes": 8 << 30,
        "last_cache_bytes": 32 << 20, "versions": {"torch": "2.11.0", "openvino": ""}, "python": "3.11.7",
        "commit": "abcdef0", "date": "2026-01-02",
    },
    "rates": {"register": 1e12, "bandwidth": 2e10},
    "product": {"int8": [{"m": 1374, "k": 1000, "n": 1000, "share": 0.95}, {"m": 197, "k": 1000, "n": 1000, "share": 0.95}]},
    "errors": {"vqt_int8": 0.0076},
    "linears": [
        # 1.97e8 multiply-adds in 0.25 ms: 0.788 of the rate
        entry(197, 1000, 1000, float32=1e-3, vqt_int8=2.5e-4, ort_int8=5e-4, torch_dynamic=6e-4),
        # 1.374e9 in 1.5 ms: 0.916 of the rate
        entry(1374, 1000, 1000, float32=6.75e-3, vqt_int8=1.5e-3, ort_int8=3e-3, torch_dynamic=1.35e-3, vqt_w8=8.4375e-3,
              vqt_w4=5.625e-3),
        entry(1, 1000, 1000, float32=1e-4, vqt_int8=3e-5, ort_int8=4e-5, vqt_int4_g128=2e-5, ort_int4_g128=3e-5, ov_int4_g128=2.5e-5,
              vqt_w8=2e-5, vqt_w4=5e-5),
    ],
    "sweep": {
        "every": {"k": 100, "n": 100, "seconds": {"vqt_int8": {"1": 4e-6, "2": 4e-6, "3": 7.2e-6}, "vqt_int4_g128": {"1": 4e-6, "2": 5e-6, "3": 7e-6}}},
        "few": [entry(4, 100, 100, vqt_int8=2e-6, ort_int8=3e-6)],
    },
    "isa": [
        {"isa": "avx2", "entries": [entry(197, 10, 10, float32=1e-3, vqt_int8=2e-3)]},
        {"isa": "avxvnni", "note": "this CPU does not have it"},
    ],
    "attention": [{
        "sequences": 2, "tokens": 50, "heads": 16, "size": 64,
        "seconds": {"float32": 0.06, "bfloat16": 0.05, "vqt_int8": 0.015, "vqt_int8_after_rotary": 0.024, "vqt_int8_prologue": 0.016},
        "errors": {"normal": {"float32": 1e-7, "bfloat16": 0.0037, "vqt_int8": 0.0136},
                   "outliers": {"float32": 2e-7, "bfloat16": 0.002, "vqt_int8": 0.0159}},
    }],
    "model": [{
        "models": {
            "float32": {"seconds": 30.0, "peak": 8 << 30, "bytes": 5_000_000_000,
                        "kinds": {"linears": 20.0, "attention": 10.0}},
            "production": {"seconds": 12.0, "peak": 4 << 30, "bytes": 1_500_000_000,
                           "kinds": {"linears": 3.0, "attention": 9.0}, "make_seconds": 16.0,
                           "errors": {"depth": 0.0123, "depth_psnr": 38.25, "pose_enc": 0.25}},
        },
        "frames": 2, "height": 392, "width": 518, "notes": ["mobile: no disk"],
    }],
    "reduced": {
        "models": {"float32": {"seconds": 3.0, "peak": 2 << 30, "bytes": 1_000_000_000},
                   "OpenVINO": {"seconds": 1.5, "peak": 1 << 30, "bytes": 999_000_000}},
        "frames": 2, "height": 392, "width": 518, "blocks": "2 + 4 pairs of blocks", "notes": ["nncf: missing"],
    },
    "fusions": {"fusions": ["rotary"], "schemes": {"dynamic": {
        "seconds": {"float32": 3.0, "all": 1.0, "none": 1.5, "without rotary": 1.2}, "notes": {}}}},
    "notes": [], "durations": {"linears": 100.0},
}  # fmt: skip


def found(results: dict[str, Any], start: str) -> targets.Target:
    one = [t for t in targets.targets(results) if t.what.startswith(start)]
    assert len(one) == 1, start
    return one[0]


@pytest.mark.parametrize(
    ("start", "value", "met"),
    [
        ("int8, 197 to 2748 rows", 1.8**0.5, True),
        ("the same, the worst shape", 0.9, False),
        ("int8: share of the register-only rate, the product alone", 0.95, True),
        ("the same, everything included, 1374 and 2748", 0.916, True),
        ("the same, everything included, 197", 0.788, False),
        ("int4 g128, 1374 and 2748", None, None),
        ("int4 g128, 1, 4 and 16 rows: times the faster", 1.25, True),
        ("int4 g128, 1, 4 and 16 rows: times vqt's int8", 1.5, True),
        ("int8, 1 to 64 rows", 1.5, True),
        ("vqt int8, 1 to 512 rows", 1.2, False),  # 4, 2, 2.4 µs a row
        ("vqt int4 g128, 1 to 512 rows", 7 / 7.5, True),
        ("vqt int8 weights, float x, 1374 rows", 0.8, False),
        ("vqt int4 g128 weights, float x, 1374 rows", 1.2, True),
        ("vqt int8 weights, float x, 1 and 4 rows", 5.0, True),
        ("vqt int4 g128 weights, float x, 1 and 4 rows", 2.0, False),
        ("VGGT-1B, production: times", 2.5, True),
        ("VGGT-1B, production: peak", 0.5, False),
        ("VGGT-1B, mobile: times", None, None),
        ("VQT_ISA=avxvnni", None, None),
        ("VQT_ISA=avx2", 0.5, False),
    ],
)
def test_targets_by_hand(start: str, value: float | None, met: bool | None) -> None:
    target = found(RESULTS, start)
    assert target.met is met
    assert target.value == (None if value is None else pytest.approx(value))


def test_shares_are_not_judged_without_vnni() -> None:
    results = copy.deepcopy(RESULTS)
    results["environment"]["isa"] = "avx2"
    target = found(results, "the same, everything included, 197")
    assert (target.value, target.met) == (pytest.approx(0.788), None)
    assert found(results, "int8, 197 to 2748 rows").met is True
    assert "for VNNI only" in report.page(results, {})


def row(page: str, *starts: str) -> list[str]:
    """The cells of the one table row whose first cells are these."""
    rows = [[c.strip() for c in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("|")]
    hits = [cells for cells in rows if cells[: len(starts)] == list(starts)]
    assert len(hits) == 1, (starts, hits)
    return hits[0]


def test_numbers_stand_where_they_belong() -> None:
    page = report.page(RESULTS, {"model": "cpu-made-up-model.png"})
    assert page.startswith("# made-up\n")
    assert row(page, "197 x 1000 -> 1000", "1.000")[2:] == [
        "0.25",
        "0.50",
        "0.60",
        "ONNX Runtime DynamicQuantizeMatMul",
        "2.00",
        "0.79",
    ]
    assert row(page, "1374 x 1000 -> 1000", "6.750", "0.22")[3:] == [
        "0.44",
        "0.20",
        "torch.ao quantize_dynamic",
        "0.90",
        "0.92",
    ]
    # columns: M = 1, 197, 1374, error; quantize_dynamic was not run at 1
    assert row(page, "vqt int8", "0.30") == ["vqt int8", "0.30", "0.25", "0.22", "0.76 %"]
    assert row(page, "torch.ao quantize_dynamic") == ["torch.ao quantize_dynamic", "", "0.60", "0.20", ""]
    assert row(page, "production", "1,500") == [
        "production",
        "1,500",
        "12.00",
        "2.50",
        "4.00",
        "0.50",
        "16",
        "38.2",
        "1.23",
        "",
        "25.00",
    ]
    assert row(page, "OpenVINO", "999")[2:6] == ["1.50", "2.00", "1.00", "0.50"]
    assert "### 2 frames\n" in page and "2 + 4 pairs of blocks, both dense heads; 2 frames of 518 x 392" in page
    assert "nncf: missing" in page
    assert row(page, "linears") == ["linears", "20.00", "3.00"]
    assert row(page, "vqt int8", "15.0") == ["vqt int8", "15.0", "4.00", "1.4 %", "1.6 %"]
    assert row(page, "vqt int8 with prologue") == ["vqt int8 with prologue", "16.0", "3.75", "", ""]
    assert "2 x 50 tokens" in page
    assert row(page, "without rotary") == ["without rotary", "1.200", "1.200", "2.50"]
    assert row(page, "4 x 100 -> 100") == ["4 x 100 -> 100", "2", "3", "1.50"]
    assert row(page, "vqt int8", "3 (1.20), 2 (0.50)")[2] == "1"
    assert row(page, "1", "the same, the worst shape")[-1] == "**not met**"
    assert "mobile: no disk" in page
    assert "not installed: openvino" in page
    assert "cpu-made-up-model.png" in page


def test_a_mean_over_some_of_the_shapes_is_marked() -> None:
    results = copy.deepcopy(RESULTS)
    results["linears"].append(entry(197, 2000, 2000, float32=4e-3, vqt_int8=2e-4))
    page = report.page(results, {})
    assert row(page, "vqt int8", "0.30")[2] == "0.11"  # sqrt(1/4 * 1/20)
    assert row(page, "ONNX Runtime DynamicQuantizeMatMul", "0.40")[2] == "0.50*"


def test_a_busy_machine_is_told_above_the_results() -> None:
    page = report.page({**RESULTS, "used_by_others": {"linears": 0.446, "sweep": 0.02, "model": 0.1}}, {})
    said = "**The machine was busy**: other processes used 45 % in linears, 10 % in model of the CPUs"
    assert page.index(said) < page.index("| point |")
    assert "busy" not in report.page({**RESULTS, "used_by_others": {"linears": 0.09}}, {})


def test_what_did_not_run_is_told_once() -> None:
    results = copy.deepcopy(RESULTS)
    for e in results["linears"]:
        e["notes"]["torchao"] = "ModuleNotFoundError: No module named 'torchao'"
    results["notes"].append("fusions: interrupted")
    page = report.page(results, {})
    assert page.count("No module named 'torchao'") == 1
    assert "(3 of the shapes and sizes)" in page
    assert "- fusions: interrupted" in page


def test_a_run_that_stopped_early_has_a_page() -> None:
    page = report.page({"environment": RESULTS["environment"], "notes": ["rates: interrupted"]}, {})
    assert "rates: interrupted" in page
    assert page.count("not measured") == len(targets.targets({}))


def test_rendering_again_gives_the_same_page(tmp_path: Path) -> None:
    first = main.write(copy.deepcopy(RESULTS), tmp_path)
    text = first.read_text()
    again = main.write(json.loads((tmp_path / "cpu-made-up.json").read_text()), tmp_path / "again")
    assert again.read_text() == text
    assert not list(tmp_path.glob("*.part"))


def test_plots_are_drawn_from_what_there_is(tmp_path: Path) -> None:
    if importlib.util.find_spec("matplotlib") is None:
        pytest.skip("matplotlib is not installed: make bench installs it")
    drawn = plots.draw(RESULTS, tmp_path, "cpu-x")
    assert sorted(drawn) == ["model", "roofline", "sweep"]
    for file in drawn.values():
        assert (tmp_path / file).read_bytes()[:4] == b"\x89PNG"
    assert plots.draw({"environment": RESULTS["environment"]}, tmp_path / "none", "cpu-x") == {}
