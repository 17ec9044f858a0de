"""vqt-eval --progressive from the command line to the archive its config makes."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
import browser  # noqa: E402
import ground_truth_test  # noqa: E402
import scenes  # noqa: E402
from report_page_test import complaints, strict  # noqa: E402
from run_eval import OPS, QUANTIZE, results, run  # noqa: E402

FAST = ["--warmup", "0", "--runs", "1", "--image_size", str(ground_truth_test.SIDE), "--cloud_points", "0"]
PSNR, REL = 30.0, 5.0  # dB; percent


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.ops.load_library(str(OPS))
    path = tmp_path_factory.mktemp("progressive")
    scene = ground_truth_test.Scene(path / "courtyard", dense=True)
    scenes.save(scene.model(), path / "float.pt")
    return path


@pytest.fixture(scope="module")
def out(space: Path) -> tuple[Path, str]:
    done = run(
        "--reference", space / "float.pt", "--progressive", "--limit", f"psnr={PSNR:g}", "--limit", f"abs_rel=+{REL:g}%",
        "--ground_truth", space / "courtyard", "--int4_group_size", "16", "--depth_frames", "1",
        "--output_dir", space / "out", *FAST,
    )  # fmt: skip
    return space / "out", done.stdout


def worst(model: dict) -> float:
    return min(m["psnr_db"] for m in model["outputs"].values())


def test_each_step_is_taken_only_while_the_limits_hold(out: tuple[Path, str]) -> None:
    found = results(out[0])
    progressive, models = found["progressive"], {m["name"]: m for m in found["models"]}
    assert complaints(strict(), found) == []
    base = found["reference"]["ground_truth"]["depth"]["abs_rel"]
    assert [limit["bound"] for limit in progressive["limits"]] == pytest.approx([PSNR, base * (1 + REL / 100)])
    assert [s["model"] for s in progressive["steps"]] == list(models)
    taken = []
    for step in progressive["steps"]:
        model = models[step["model"]]
        assert (step["psnr_db"], step["size_bytes"]) == (worst(model), model["size_bytes"])
        assert step["values"] == {"psnr": worst(model), "abs_rel": model["ground_truth"]["depth"]["abs_rel"]}
        assert step["held"] == (worst(model) >= PSNR and model["ground_truth"]["depth"]["abs_rel"] <= base * (1 + REL / 100))
        assert step["held"] or not step["taken"]
        taken += [step] if step["taken"] else []
    sizes = [found["reference"]["size_bytes"], *(s["size_bytes"] for s in taken)]
    assert sizes == sorted(set(sizes), reverse=True)
    assert progressive["model"] == taken[-1]["model"]
    # int8 holds, int4 for all does not, and something in between does.
    assert [s["taken"] for s in progressive["steps"][:2]] == [True, False] and len(taken) > 1
    assert {p["name"] for p in progressive["parts"]} == {"middle", "to_pose", "to_depth", "to_points"}
    schemes = {s["name"]: s["scheme"] for s in models[progressive["model"]]["sites"]}
    assert {"w8a8", "w4a8-g16", "float32"} == set(schemes.values())
    assert {m for d in found["depth_maps"] for m in d["mean_difference"]} == {"1 int8", progressive["model"]}


def test_the_config_makes_the_model_of_the_last_step(space: Path, out: tuple[Path, str]) -> None:
    found = results(out[0])
    config = out[0] / found["progressive"]["file"]
    assert json.loads(config.read_text()) == found["progressive"]["config"]
    archive = space / "small.pt"
    subprocess.run([QUANTIZE, space / "float.pt", "-o", archive, "--config", config, "--quiet"], check=True, timeout=300)
    with zipfile.ZipFile(archive) as opened:
        name = next(n for n in opened.namelist() if n.endswith("vqt.json"))
        sites = json.loads(opened.read(name))["sites"]
    model = next(m for m in found["models"] if m["name"] == found["progressive"]["model"])
    told = [(s["name"], s["scheme"], s["bytes_after"], s["weight_sqnr_db"]) for s in model["sites"]]
    assert [(s["name"], s["scheme"], s["bytes_after"], s["weight_sqnr_db"]) for s in sites] == told


def test_stdout_says_what_came_of_it(out: tuple[Path, str]) -> None:
    found, text = results(out[0]), out[1]
    last = next(s for s in found["progressive"]["steps"] if s["model"] == found["progressive"]["model"])
    smaller = found["reference"]["size_bytes"] / last["size_bytes"]
    assert text.split("  ")[0] == "within limits" and found["progressive"]["model"] in text.splitlines()[0]
    line = next(line for line in text.splitlines() if line.startswith(f"config: {out[0]}/progressive.json: "))
    assert f"{smaller:.2f}x smaller than the float model, lowest PSNR {last['psnr_db']:.1f} dB" in line
    assert "while lowest PSNR at least 30.0 dB and AbsRel at most" in " ".join((out[0] / "report.txt").read_text().split())


@pytest.mark.skipif(browser.CHROMIUM is None, reason="no chromium to draw the page in")
def test_the_page_shows_the_steps(out: tuple[Path, str]) -> None:
    steps = results(out[0])["progressive"]["steps"]
    with browser.Page(f"file://{out[0]}/report.html", timeout=600) as page:
        rows = 'Array.from(document.querySelectorAll("#progressive [aria-label=Steps] tbody tr"), (r) => [r.cells[0].textContent, r.cells[1].textContent])'
        assert page.evaluate(rows) == [
            [s["model"], "accepted" if s["taken"] else "holds" if s["held"] else "does not hold"] for s in steps
        ]
        chart = 'Chart.getChart(document.querySelectorAll("#progressive canvas")[0]).data.datasets.map((d) => d.data)'
        taken, left, limit = page.evaluate(chart)
        assert taken == [s["psnr_db"] if s["taken"] else None for s in steps]
        assert left == [None if s["taken"] else s["psnr_db"] for s in steps]
        assert limit == [PSNR] * len(steps)
        goals = page.evaluate('Array.from(document.querySelectorAll(".goals b"), (b) => b.textContent)')
        assert goals[0] == results(out[0])["progressive"]["model"]
        assert page.errors == []


def test_where_nothing_holds_the_float_model_stays(space: Path) -> None:
    folder = space / "none"
    folder.mkdir()
    (folder / "progressive.json").write_text("of an earlier run")
    (folder / "one.json").write_text(json.dumps({"ignore": ["to_pose", "to_depth", "to_points"]}))
    done = run(
        "--reference", space / "float.pt", "--progressive", "--limit", "psnr=200", "--ground_truth", space / "courtyard",
        "--config", folder / "one.json", "--max_images", "1", "--output_dir", folder, *FAST,
    )  # fmt: skip
    found = results(folder)["progressive"]
    assert found["model"] is found["file"] is found["config"] is None
    assert [s["model"] for s in found["steps"]] == ["1 int8"]  # one layer has no module groups to try
    assert not (folder / "progressive.json").exists()
    assert done.stdout.startswith("within limits  float  no step holds")


def test_a_limit_that_the_float_model_breaks(space: Path) -> None:
    done = run(
        "--reference", space / "float.pt", "--progressive", "--limit", "abs_rel=1e-9", "--ground_truth",
        space / "courtyard", "--output_dir", space / "broken", *FAST, code=1,
    )  # fmt: skip
    assert "--limit abs_rel=1e-9: the float model itself has AbsRel 0." in done.stderr
