"""vqt-eval as its users see it: numbers worked again in Python, files, flags, errors, interruption."""

import json
import os
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import safetensors
import torch
from PIL import Image
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).parent))
import scenes  # noqa: E402
from run_eval import EVAL, OPS, QUANTIZE, ROOT, results, run, without_busy  # noqa: E402

PHOTOS = [ROOT / "examples/photos" / p for p in ("aloe/aloe_left.jpg", "aloe/aloe_right.jpg", "leuven/leuven_a.jpg")]
FAST = ["--warmup", "1", "--runs", "1"]
PRESETS = ["production", "mobile", "prototype", "int16", "int8-asym", "smallest"]


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.ops.load_library(str(OPS))
    path = tmp_path_factory.mktemp("eval")
    scenes.save(scenes.Tiny(), path / "tiny.pt")
    scenes.save(scenes.Classifier(), path / "classifier.pt")
    scenes.write_pictures(path / "photos", PHOTOS)
    (path / "config.json").write_text(json.dumps({"name": "mine", "quant_type": "int8_per_channel_asym"}))
    subprocess.run(
        [QUANTIZE, path / "tiny.pt", "-o", path / "q8.pt", "--preset", "production", "--quiet"], check=True, timeout=300
    )
    return path


@pytest.fixture(scope="module")
def frames() -> torch.Tensor:
    """[S, 3, H, W] as the pictures of the scene are fed, without vqt."""
    arrays = [np.asarray(Image.open(p).convert("RGB").resize((70, 56), Image.Resampling.BICUBIC)) for p in PHOTOS]
    return scenes.model_input(np.stack(arrays))


@pytest.fixture(scope="module")
def compared(space: Path) -> tuple[Path, str]:
    """One run of an archive, a config and a preset."""
    out = space / "compared"
    done = run(
        "--reference", space / "tiny.pt", "--model", space / "q8.pt", "--config", space / "config.json", "--preset",
        "prototype", "--image-folder", space / "photos", "--image_size", 70, "--output-dir", out,
    )  # fmt: skip
    return out, done.stdout


def metrics(reference: torch.Tensor, got: torch.Tensor) -> dict[str, float | None]:
    """The definitions, in numpy."""
    r, g = reference.double().numpy().ravel(), got.double().numpy().ravel()
    e = np.abs(r - g)
    rmse, peak = np.sqrt(np.mean(e**2)), r.max() - r.min()
    return {
        "mae": e.mean(),
        "rmse": rmse,
        "psnr_db": 20 * np.log10(peak / rmse) if rmse > 0 and peak > 0 else None,
        "cosine": r @ g / np.linalg.norm(r) / np.linalg.norm(g),
        "max_error": e.max(),
        **{f"p{p}": np.percentile(e, p) for p in (50, 90, 99)},
    }


def flat(value: object, path: str = "") -> dict[str, torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return {path or "output": value}
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found = {}
    for key, inner in items:
        found |= flat(inner, f"{path}.{key}" if path else str(key))
    return found


def assert_metrics(found: dict, reference: dict[str, torch.Tensor], got: dict[str, torch.Tensor]) -> None:
    assert list(found) == list(reference)
    for path, expected in reference.items():
        for key, value in metrics(expected, got[path]).items():
            if value is None:
                assert found[path][key] is None, (path, key)
            else:  # the same kernels on the same input; convolutions may round differently from process to process
                rounding = 0.0 if key == "psnr_db" else 1e-6 * expected.abs().max().item()
                assert found[path][key] == pytest.approx(value, rel=1e-4, abs=rounding), (path, key)


def test_numbers_equal_those_worked_in_python(space: Path, compared: tuple[Path, str], frames: torch.Tensor) -> None:
    found = results(compared[0])
    with torch.no_grad():
        reference = flat(torch.jit.load(space / "tiny.pt")(frames[None]))
        quantized = flat(torch.jit.load(space / "q8.pt")(frames[None]))
    model = found["models"][0]
    assert_metrics(model["outputs"], reference, quantized)
    assert 20 < model["outputs"]["depth"]["psnr_db"] < 80  # quantized, and well
    for path, tensor in reference.items():
        assert found["reference"]["outputs"][path]["shape"] == list(tensor.shape)
        assert found["reference"]["outputs"][path]["max"] == pytest.approx(tensor.max().item(), rel=1e-5)


def test_results_json_keeps_its_contract(space: Path, compared: tuple[Path, str]) -> None:
    found = results(compared[0])
    assert [m["name"] for m in found["models"]] == ["q8", "mine", "prototype"]
    assert [m["source"] for m in found["models"]] == ["model", "config", "preset"]
    assert found["reference"]["size_bytes"] == (space / "tiny.pt").stat().st_size
    for model in found["models"]:
        assert model["compression"] == pytest.approx(found["reference"]["size_bytes"] / model["size_bytes"])
        assert model["ms_per_image"] == pytest.approx(np.median(model["timing"]["scene_ms"]) / 3)
        assert model["timing"]["warmup_forwards"] == 2 and model["timing"]["timed_forwards"] == 3
        assert model["peak_memory_bytes"] > 30e6
        assert {s["name"] for s in model["sites"]} == {"embed", "first", "blocks.0", "blocks.1", "blocks.2", "to_depth", "pose"}
        assert sum(s["action"] == "quantized" for s in model["sites"]) == (6 if model["name"] == "prototype" else 4)
    assert found["models"][0]["size_bytes"] == (space / "q8.pt").stat().st_size
    assert found["models"][1]["config"]["quant_type"] == "int8_per_channel_asym"
    environment = found["environment"]
    assert environment["allocator"] == "vqt"
    assert environment["cpu"] and environment["torch"].startswith("2.11") and environment["vqt"]
    assert environment["gpu"] is environment["cuda"] is environment["driver"] is None
    assert str(space / "photos") in environment["command_line"]
    assert found["scene"]["pictures"] == ["0.png", "1.png", "2.png"]
    assert (found["scene"]["height"], found["scene"]["width"]) == (56, 70)


def test_stdout_is_the_table_and_the_path_of_the_report(compared: tuple[Path, str]) -> None:
    out, text = compared
    assert text.rstrip().endswith(f"report: {out}/report.html")
    rows = {line.split()[0]: line.replace(" * ", " ").split() for line in text.splitlines() if line.strip()}
    q8 = results(out)["models"][0]
    assert rows["q8"][1] == q8["scheme"] == "w8a8"
    assert rows["q8"][3] == f"{q8['compression']:.2f}x"
    worst = min(m["psnr_db"] for m in q8["outputs"].values() if m["psnr_db"] is not None)
    assert float(rows["q8"][7]) == pytest.approx(worst, abs=0.051)


def test_every_file_is_there_and_whole(compared: tuple[Path, str]) -> None:
    out, _ = compared
    files = sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file())
    maps = [f"depth/{m}_{i + 1:03}_{i}.png" for m in ("mine", "prototype", "q8") for i in range(3)]
    best = [f"best/{goal}.json" for goal in ("accuracy", "size", "speed")]
    best += ["best/recommended.json"] if results(out)["recommendation"]["model"] else []  # times decide
    assert files == sorted([*best, *maps, "report.html", "report.txt", "results.json"])
    for name in maps:
        image = Image.open(out / name)
        image.load()
        assert image.width > 4 * 70
    html = (out / "report.html").read_text()
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:|//)""", html)
    assert all(len(line) <= 100 for line in (out / "report.txt").read_text().splitlines())
    assert not list(out.glob(".vqt-eval-*"))


def test_without_candidates_the_presets_are_compared(space: Path, tmp_path: Path) -> None:
    done = run(
        "--reference", space / "tiny.pt", "--image_folder", space / "photos", "--max_images", 1, "--image_size", 70,
        "--output_dir", tmp_path / "deep/er", "--quiet", *FAST,
    )  # fmt: skip
    found = results(tmp_path / "deep/er")
    assert [m["name"] for m in found["models"]] == PRESETS
    assert found["scene"]["pictures"] == ["0.png"]
    assert without_busy(done.stderr) == ""
    by_name = {m["name"]: m for m in found["models"]}
    assert by_name["mobile"]["scheme"] == "w4a8-g64"
    assert by_name["production"]["outputs"]["depth"]["rmse"] < by_name["smallest"]["outputs"]["depth"]["rmse"]


def test_frames_split_the_scene(space: Path, tmp_path: Path, frames: torch.Tensor) -> None:
    run(
        "--reference", space / "tiny.pt", "--model", space / "q8.pt", "--image_folder", space / "photos", "--frames", 2,
        "--image_size", 70, "--output_dir", tmp_path, *FAST,
    )  # fmt: skip

    def split(path: Path) -> dict[str, torch.Tensor]:
        module = torch.jit.load(path)
        with torch.no_grad():
            a, b = flat(module(frames[None, :2])), flat(module(frames[None, 2:]))
        axes = {"depth": 1, "pose": 1, "pose_list": 2}
        return {k: torch.cat([a[k], b[k]], axes[k]) if k in axes else torch.stack([a[k], b[k]]) for k in a}

    found = results(tmp_path)
    assert found["scene"]["frames_per_forward"] == 2
    assert found["reference"]["outputs"]["pose_list"]["shape"] == [2, 1, 3, 9]
    assert_metrics(found["models"][0]["outputs"], split(space / "tiny.pt"), split(space / "q8.pt"))


def test_other_models_by_layout_mean_and_std(space: Path, tmp_path: Path, frames: torch.Tensor) -> None:
    quantized = tmp_path / "q.pt"
    subprocess.run([QUANTIZE, space / "classifier.pt", "-o", quantized, "--preset", "prototype", "--quiet"], check=True)
    run(
        "--reference", space / "classifier.pt", "--model", quantized, "--image_folder", space / "photos",
        "--input-layout", "bchw", "--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225", "--image_size", 70,
        "--output_dir", tmp_path / "out", *FAST,
    )  # fmt: skip
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = (frames - mean[:, None, None]) / std[:, None, None]
    with torch.no_grad():
        reference, got = (flat(torch.jit.load(p)(x)) for p in (space / "classifier.pt", quantized))
    found = results(tmp_path / "out")["models"][0]["outputs"]
    assert list(found) == ["0", "1.more.0", "1.more.1"]
    assert_metrics(found, reference, got)
    assert found["1.more.1"]["psnr_db"] is None and found["1.more.1"]["equal"]  # constant and equal
    assert not (tmp_path / "out/depth").exists()


def test_a_model_against_itself_is_equal(space: Path, tmp_path: Path) -> None:
    done = run(
        "--reference", space / "tiny.pt", "--model", space / "tiny.pt", space / "tiny.pt", "--image_folder",
        space / "photos", "--image_size", 70, "--output_dir", tmp_path, *FAST,
    )  # fmt: skip
    found = results(tmp_path)
    assert [m["name"] for m in found["models"]] == ["tiny", "tiny-2"]
    for model in found["models"]:
        assert model["config"] is None and model["sites"] is None and model["compression"] == 1
        assert all(m["equal"] and m["psnr_db"] is None and m["cosine"] == 1 for m in model["outputs"].values())
    assert re.search(r"depth +inf +inf", done.stdout)


def test_memory_is_each_models_own(tmp_path: Path) -> None:
    reference = scenes.save(scenes.Wide(), tmp_path / "wide.pt")  # 8 weights of 16.8 MB
    scenes.write_pictures(tmp_path / "photos", PHOTOS[:1], 28, 28)
    run(
        "--reference", reference, "--preset", "prototype", "--image_folder", tmp_path / "photos", "--image_size", 28,
        "--output_dir", tmp_path / "out", *FAST,
    )  # fmt: skip
    found = results(tmp_path / "out")
    saved = found["reference"]["peak_memory_bytes"] - found["models"][0]["peak_memory_bytes"]
    assert saved > 0.5 * 8 * 2048 * 2048 * 3  # three of four bytes of every weight
    assert found["models"][0]["compression"] > 2.5


def test_static_activations_are_calibrated_on_the_pictures(space: Path, tmp_path: Path) -> None:
    config = tmp_path / "static.json"
    config.write_text(json.dumps({"quant_type": "int8_per_channel_sym", "activation": "static"}))
    done = run(
        "--reference", space / "tiny.pt", "--config", config, "--image_folder", space / "photos", "--image_size", 70,
        "--output_dir", tmp_path / "out", *FAST,
    )  # fmt: skip
    assert "calibrated on 3 of the images" in done.stderr
    assert results(tmp_path / "out")["models"][0]["outputs"]["depth"]["psnr_db"] > 20


def test_nan_is_counted_and_said(space: Path, tmp_path: Path) -> None:
    bad = scenes.save(scenes.WithNan(), tmp_path / "nan.pt")
    done = run(
        "--reference", space / "tiny.pt", "--model", bad, "--image_folder", space / "photos", "--image_size", 70,
        "--output_dir", tmp_path / "out", *FAST,
    )  # fmt: skip
    pose = results(tmp_path / "out")["models"][0]["outputs"]["pose"]
    assert pose["nonfinite"] == 1 and pose["elements"] == 26
    assert "output pose: 1 values are NaN or Inf" in done.stderr
    assert "output pose: 1 values are NaN or Inf" in (tmp_path / "out/report.txt").read_text()


def test_pictures_in_the_only_subfolder_are_found(space: Path, tmp_path: Path) -> None:
    shutil.copytree(space / "photos", tmp_path / "scene/images")
    done = run(
        "--reference", space / "tiny.pt", "--model", space / "q8.pt", "--image_folder", tmp_path / "scene",
        "--image_size", 70, "--output_dir", tmp_path / "out", *FAST,
    )  # fmt: skip
    assert f"used its subfolder {tmp_path}/scene/images" in done.stderr
    assert results(tmp_path / "out")["scene"]["pictures"] == ["0.png", "1.png", "2.png"]


def test_a_saved_reference_gives_the_same_numbers(space: Path, tmp_path: Path) -> None:
    given = ["--reference", space / "tiny.pt", "--image_folder", space / "photos", "--image_size", 70, "--frames", 2, *FAST]
    run(*given, "--preset", "prototype", "--save-reference", tmp_path / "r", "--output_dir", tmp_path / "a")
    done = run(*given, "--preset", "prototype", "--model", space / "q8.pt", "--load-reference", tmp_path / "r",
               "--output_dir", tmp_path / "b")  # fmt: skip
    saved, loaded = results(tmp_path / "a"), results(tmp_path / "b")
    assert "reference:" not in done.stderr.replace("reference: outputs, time and memory", "")  # not run
    assert saved["reference"] == loaded["reference"]
    assert f"the run that wrote {tmp_path}/r" in loaded["notes"][0]
    assert [m["name"] for m in loaded["models"]] == ["prototype", "q8"]
    for path, metrics in saved["models"][0]["outputs"].items():
        assert loaded["models"][0]["outputs"][path]["rmse"] == pytest.approx(metrics["rmse"], rel=1e-4)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b", "r"]


def test_a_saved_reference_is_a_safetensors_file(space: Path, frames: torch.Tensor, tmp_path: Path) -> None:
    given = ["--reference", space / "tiny.pt", "--image_folder", space / "photos", "--image_size", 70, "--frames", 2, *FAST,
             "--preset", "prototype"]  # fmt: skip
    run(*given, "--save-reference", tmp_path / "r", "--output_dir", tmp_path / "a")
    model = torch.jit.load(str(space / "tiny.pt"))
    with safetensors.safe_open(tmp_path / "r", "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}
        about = file.metadata()
    assert [(f["first"], f["count"]) for f in json.loads(about["forwards"])] == [(0, 2), (2, 1)]
    with torch.no_grad():
        expected = [model(frames[None, :2]), model(frames[None, 2:])]
    assert tensors.keys() == {f"{i}/{name}" for i in (0, 1) for name in expected[0]}
    for name, tensor in tensors.items():
        i, _, path = name.partition("/")
        torch.testing.assert_close(tensor, expected[int(i)][path], rtol=1e-4, atol=1e-5)
    # Written again by another library, with its tensors in another order and without checksums.
    about.pop("crc32")
    save_file(dict(reversed(tensors.items())), tmp_path / "again", about)
    run(*given, "--load-reference", tmp_path / "again", "--output_dir", tmp_path / "b")
    saved, loaded = results(tmp_path / "a"), results(tmp_path / "b")
    assert saved["reference"] == loaded["reference"]
    assert list(saved["models"][0]["outputs"]) == list(loaded["models"][0]["outputs"])


def test_a_reference_of_an_older_version_is_refused(space: Path, tmp_path: Path) -> None:
    index = b'{"forwards":[],"about":null}'
    (tmp_path / "old").write_bytes(b"vqtfwd01" + index + struct.pack("<QQ", 8, len(index)) + b"vqtfwd01")
    done = run("--reference", space / "tiny.pt", "--image_folder", space / "photos", "--model", space / "q8.pt",
               "--load_reference", tmp_path / "old", "--output_dir", tmp_path / "out", code=1)  # fmt: skip
    assert f"{tmp_path}/old: written by an older version of vqt-eval in a format that is no longer read" in done.stderr
    assert "run once with --save-reference to write it again" in done.stderr


OTHERS = [
    ("model", ["--reference", "{tmp}/other.pt"], ["another model", "tiny.pt", "other.pt"]),
    ("fewer pictures", ["--max_images", "2"], ["other images: number 3 of 3", "2.png", "null of 2"]),
    ("other pixels", ["--image_folder", "{tmp}/changed"], ["other images", "the pixels are not"]),
    ("size", ["--image_size", "42"], ["the outputs for other input: image_size was 70, now it is 42"]),
    ("mean", ["--mean", "0.5,0.5,0.5"], ["the outputs for other input: mean was [0.0,0.0,0.0]"]),
    ("frames", ["--frames", "2"], ["the outputs for other input: frames was 3, now it is 2"]),
]


@pytest.fixture(scope="module")
def saved(space: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    tmp = tmp_path_factory.mktemp("saved")
    scenes.save(scenes.Tiny(), tmp / "other.pt", seed=1)
    shutil.copytree(space / "photos", tmp / "changed")
    Image.open(tmp / "changed/1.png").transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp / "changed/1.png")
    run("--reference", space / "tiny.pt", "--model", space / "q8.pt", "--image_folder", space / "photos", "--image_size", 70,
        "--save_reference", tmp / "r", "--output_dir", tmp / "out", *FAST)  # fmt: skip
    return tmp


@pytest.mark.parametrize(("flags", "says"), [o[1:] for o in OTHERS], ids=[o[0] for o in OTHERS])
def test_a_reference_of_something_else_is_refused(
    space: Path, saved: Path, tmp_path: Path, flags: list[str], says: list[str]
) -> None:
    given = {"--reference": space / "tiny.pt", "--image_folder": space / "photos", "--image_size": 70}
    given |= dict(zip(flags[::2], [f.format(tmp=saved) for f in flags[1::2]]))
    done = run(*[w for pair in given.items() for w in pair], "--model", space / "q8.pt", "--load_reference", saved / "r",
               "--output_dir", tmp_path / "out", *FAST, code=1)  # fmt: skip
    for part in (*says, str(saved / "r"), "--save-reference"):
        assert part in done.stderr


def test_pictures_of_every_kind(space: Path, tmp_path: Path) -> None:
    """Sizes, depths and channels in one folder; what they become is tested in images_test.cpp."""
    folder = tmp_path / "kinds"
    folder.mkdir()
    rgb = Image.open(PHOTOS[0]).convert("RGB").resize((120, 80))
    exif = Image.Exif()
    exif[0x0112] = 6
    rgb.save(folder / "a_turned.jpg", exif=exif)
    rgb.resize((50, 90)).convert("L").save(folder / "b_grey.png")
    rgb.convert("RGBA").save(folder / "c_alpha.png")
    Image.fromarray(np.asarray(rgb.convert("L")).astype(np.uint16) * 257).save(folder / "d_16.png")
    rgb.convert("P").save(folder / "e_palette.png")
    rgb.convert("1").save(folder / "f_one_bit.png")
    rgb.convert("CMYK").save(folder / "g_cmyk.jpg")
    rgb.save(folder / "h.webp")
    rgb.save(folder / "i.tiff")
    run("--reference", space / "tiny.pt", "--model", space / "q8.pt", "--image_folder", folder, "--image_size", 70,
        "--output_dir", tmp_path / "out", *FAST)  # fmt: skip
    found = results(tmp_path / "out")
    assert len(found["scene"]["pictures"]) == 9
    notes = [n for n in found["notes"] if "the machine was busy" not in n]
    assert notes == [n for n in notes if "EXIF" in n and ": a_turned.jpg;" in n] != []
    assert found["reference"]["outputs"]["depth"]["shape"] == [1, 9, 70, 70, 1]  # the grey one is as high as wide
    assert found["models"][0]["outputs"]["depth"]["nonfinite"] == 0


def test_memory_does_not_grow_with_the_number_of_pictures(space: Path, tmp_path: Path) -> None:
    def peaks(count: int) -> list[float]:
        """Bytes: of vqt-eval itself, of the process that runs the float model, of the one that runs the other."""
        folder, out = tmp_path / str(count), tmp_path / f"out{count}"
        folder.mkdir()
        Image.open(PHOTOS[0]).convert("RGB").resize((518, 518)).save(folder / "000.bmp")
        for i in range(1, count):
            os.link(folder / "000.bmp", folder / f"{i:03}.bmp")
        process = subprocess.Popen(
            [EVAL, "--reference", space / "tiny.pt", "--model", space / "q8.pt", "--image_folder", folder, "--frames", "2",
             "--output_dir", out, *FAST], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        # Not wait4's ru_maxrss: it begins with the size of the process that forked, which has torch loaded.
        own = 0
        while process.poll() is None:
            found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
            own = int(found[1]) if found else own
            time.sleep(0.02)
        assert process.returncode == 0
        found = results(out)
        return [own * 1024, found["reference"]["peak_memory_bytes"], found["models"][0]["peak_memory_bytes"]]

    few, many = peaks(6), peaks(66)
    for before, after in zip(few, many):  # 60 pictures more: 193 MB of float pixels, and 64 MB of outputs a model
        assert after - before < 50e6, f"{few} bytes for 6 pictures, {many} for 66"


# What is wrong, flags, exit code, what stderr says.
ERRORS = [
    ("no folder", ["--image_folder", "{tmp}/none"], 1, ["/none: no such folder"]),
    ("no pictures", ["--image_folder", "{tmp}/empty"], 1, ["empty", "no images"]),
    ("damaged picture", ["--image_folder", "{tmp}/damaged"], 1, ["damaged/1.jpg", "damaged"]),
    ("no reference", ["--reference", "{tmp}/none.pt"], 1, ["none.pt: no such file"]),
    ("no model", ["--model", "{tmp}/none.pt"], 1, ["none.pt: no such file"]),
    ("unreadable model", ["--model", "{tmp}/text.pt"], 1, ["text.pt"]),
    ("unreadable reference", ["--reference", "{tmp}/text.pt"], 1, ["text.pt"]),
    ("other outputs", ["--model", "{tmp}/other_keys.pt"], 1, ["other_keys", "camera", "depth, pose"]),
    ("other shapes", ["--model", "{tmp}/other_shape.pt"], 1, ["other_shape", "depth", "[1, 3, 56, 70, 1]", "[9]"]),
    ("other input", ["--reference", "{space}/classifier.pt"], 1, ["--input-layout", "--mean", "--std", "[1, 3, 3, 56, 70]"]),
    ("no pictures wanted", ["--max_images", "0"], 2, ["--max-images: expected an integer of at least 1, got 0"]),
    ("negative count", ["--max_images", "-3"], 2, ["--max-images: expected an integer of at least 1, got -3"]),
    ("odd size", ["--image_size", "71"], 2, ["--image-size: expected a multiple of 14, got 71"]),
    ("no such preset", ["--preset", "none"], 2, ["none", "production"]),
    ("bad config", ["--config", "{tmp}/bad.json"], 2, ["bad.json", "quant_tipe", "quant_type"]),
    ("no such config", ["--config", "{tmp}/none.json"], 2, ["none.json"]),
    ("pattern without a site", ["--config", "{tmp}/pattern.json"], 2, ["pattern.json", "blcks", "blocks"]),
    ("no ground truth", ["--ground_truth", "{tmp}"], 1, ["dslr_calibration_undistorted"]),
    ("no saved reference", ["--load_reference", "{tmp}/none"], 1, ["none: no such file"]),
    ("no folder for the reference", ["--save_reference", "{tmp}/none/r"], 1, ["--save-reference", "/none: no such folder"]),
    ("saved reference", ["--load_reference", "{tmp}/text.pt"], 1, ["text.pt", "--save-reference"]),
    ("both", ["--load_reference", "a", "--save_reference", "b"], 2, ["--save-reference"]),
    ("cuda", ["--device", "cuda"], 2, ["device", "CUDA"]),
    ("unknown flag", ["--modle", "x"], 2, ["--modle: no such flag; nearest: --model"]),
    ("output is a file", ["--output_dir", "{tmp}/text.pt"], 1, ["text.pt"]),
    ("output below a file", ["--output_dir", "{tmp}/text.pt/out"], 1, ["text.pt"]),
    ("quantized again", ["--reference", "{space}/q8.pt"], 1, ["already quantized"]),
]  # fmt: skip


@pytest.fixture(scope="module")
def wrong(space: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    tmp = tmp_path_factory.mktemp("wrong")
    (tmp / "empty").mkdir()
    shutil.copytree(space / "photos", tmp / "damaged")
    (tmp / "damaged/1.jpg").write_bytes(PHOTOS[0].read_bytes()[:5000])
    (tmp / "text.pt").write_text("no archive")
    (tmp / "bad.json").write_text('{"quant_tipe": "int4_group"}')
    (tmp / "pattern.json").write_text('{"ignore": ["re:blcks.*"]}')
    scenes.save(scenes.OtherKeys(), tmp / "other_keys.pt")
    scenes.save(scenes.OtherShape(), tmp / "other_shape.pt")
    scenes.save(scenes.Masked(), tmp / "masked.pt")
    scenes.save(scenes.Tiny(64), tmp / "wide.pt")
    scenes.save(scenes.Tiny(blocks=4), tmp / "deep.pt")
    for name in ("wide", "deep"):
        subprocess.run([QUANTIZE, tmp / f"{name}.pt", "-o", tmp / f"{name}8.pt", "--quiet"], check=True, timeout=300, capture_output=True)
    (tmp / "taken/results.json").mkdir(parents=True)
    (tmp / "file").mkdir()
    (tmp / "file/depth").write_text("")
    return tmp


@pytest.mark.parametrize(("flags", "code", "says"), [e[1:] for e in ERRORS], ids=[e[0] for e in ERRORS])
def test_errors(space: Path, wrong: Path, tmp_path: Path, flags: list[str], code: int, says: list[str]) -> None:
    given = {
        "--reference": str(space / "tiny.pt"), "--image_folder": str(space / "photos"), "--image_size": "70",
        "--output_dir": str(tmp_path / "out"), "--warmup": "0", "--runs": "1",
    }  # fmt: skip
    changed = [f.format(tmp=wrong, space=space) for f in flags]
    given |= dict(zip(changed[::2], changed[1::2]))
    if not {"--model", "--config", "--preset"} & given.keys():
        given["--preset"] = "production"
    done = run(*[word for pair in given.items() for word in pair], code=code)
    assert done.stdout == ""
    message = done.stderr[done.stderr.index("vqt-eval: error:") :]
    for part in says:
        assert part in message
    out = tmp_path / "out"
    assert not out.exists() or {p.name for p in out.iterdir()} <= {"unfinished"}  # what --resume goes on from


NOT_RUN = [
    ("a quantized reference", ["--reference", "{space}/q8.pt", "--preset", "mobile"], ["q8.pt: is already quantized; expected the float model"]),
    ("a saved reference does not hide it", ["--reference", "{space}/q8.pt", "--load_reference", "{tmp}/text.pt"], ["q8.pt: is already quantized"]),
    ("another width", ["--model", "{tmp}/wide.pt"],
     ["--model: ", "wide.pt: is of another architecture than the reference ", "blocks.0.bias is [64], in the reference [32]"]),
    ("another width, quantized", ["--model", "{tmp}/wide8.pt"], ["wide8.pt: is of another architecture", "is [64, 64], in the reference [32, 32]"]),
    ("a layer more, quantized", ["--model", "{tmp}/deep8.pt"], ["deep8.pt: is of another architecture", "1 of its layers is not in the reference (blocks.3)"]),
    ("another model", ["--model", "{space}/classifier.pt"], ["classifier.pt: is of another architecture", "embed.bias is [16], in the reference [32]"]),
    ("two inputs", ["--model", "{tmp}/masked.pt"], ["masked.pt: expected a forward that takes one tensor, the images, got forward(images: Tensor, mask: Tensor)"]),
    ("results.json is a folder", ["--output_dir", "{tmp}/taken"], ["taken/results.json: cannot be replaced: it is a folder"]),
    ("depth is a file", ["--output_dir", "{tmp}/file"], ["file/depth is not a folder"]),
    ("the reference's file is a folder", ["--save_reference", "{tmp}/empty"], ["empty: cannot be replaced: it is a folder"]),
]  # fmt: skip


@pytest.mark.parametrize(("flags", "says"), [e[1:] for e in NOT_RUN], ids=[e[0] for e in NOT_RUN])
def test_what_can_be_known_is_said_before_a_model_runs(
    space: Path, wrong: Path, tmp_path: Path, flags: list[str], says: list[str]
) -> None:
    given = {"--reference": str(space / "tiny.pt"), "--image_folder": str(space / "photos"), "--image_size": "70",
             "--output_dir": str(tmp_path / "out")}  # fmt: skip
    changed = [f.format(tmp=wrong, space=space) for f in flags]
    given |= dict(zip(changed[::2], changed[1::2]))
    done = run(*[word for pair in given.items() for word in pair], code=1)
    assert len(done.stderr.splitlines()) == 1 and done.stdout == "", done.stderr  # no progress: nothing has run
    for part in says:
        assert part in done.stderr


@pytest.mark.parametrize("size", ["4k", "64k", "256k", "700k", "1500k", "5m"])
def test_a_full_disk_is_named_wherever_it_happens(space: Path, size: str) -> None:
    command = f"{EVAL} --reference {space}/tiny.pt --preset production --image_folder {space}/photos --image_size 140 --warmup 0 --runs 1 --quiet"
    script = f"mount -t tmpfs -o size={size} none /mnt && {{ {command} --output_dir /mnt/out; code=$?; ls -A /mnt/out; exit $code; }}"
    if subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode != 0:
        pytest.skip("mounting is not allowed here")
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=300)
    if size == "5m":
        assert done.returncode == 0 and "results.json" in done.stdout, done.stderr
        return
    assert done.returncode == 1
    error = done.stderr[done.stderr.index("vqt-eval: error: ") :]
    assert "/mnt/out" in error and "No space left on device" in error and "are free in /mnt/out" in error
    assert "parse" not in error and "json." not in error


def test_a_file_that_may_not_grow_is_named(space: Path, tmp_path: Path) -> None:
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))  # noqa: E731
    done = subprocess.run([EVAL, "--reference", space / "tiny.pt", "--preset", "production", "--image_folder", space / "photos",
                           "--output_dir", tmp_path / "out", "--quiet"], preexec_fn=limit, capture_output=True, text=True, timeout=300)  # fmt: skip
    assert done.returncode == 1
    assert str(tmp_path / "out") in done.stderr and "File too large" in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(space: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    done = run("--reference", space / "tiny.pt", "--image_folder", space / "photos", "--output_dir", tmp_path, code=1)
    assert str(tmp_path) in done.stderr


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing_behind(tmp_path: Path, sent: signal.Signals) -> None:
    slow = scenes.save(scenes.Slow(), tmp_path / "slow.pt")
    scenes.write_pictures(tmp_path / "photos", PHOTOS[:1], 28, 28)
    out = tmp_path / "out"
    out.mkdir()
    (out / "results.json").write_text("from before")
    process = subprocess.Popen(
        [EVAL, "--reference", slow, "--image_folder", tmp_path / "photos", "--image_size", "28", "--output_dir", out],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    children: list[str] = []
    deadline = time.time() + 60
    while time.time() < deadline and not children:
        time.sleep(0.1)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert children
    time.sleep(0.5)
    process.send_signal(sent)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 128 + sent
    assert "interrupted" in stderr
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    assert [p.name for p in out.iterdir()] == ["results.json"]
    assert (out / "results.json").read_text() == "from before"


def test_a_killed_worker_is_an_error_that_says_so(tmp_path: Path) -> None:
    slow = scenes.save(scenes.Slow(), tmp_path / "slow.pt")
    scenes.write_pictures(tmp_path / "photos", PHOTOS[:1], 28, 28)
    process = subprocess.Popen(
        [EVAL, "--reference", slow, "--image_folder", tmp_path / "photos", "--image_size", "28", "--output_dir", tmp_path / "o"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    children: list[str] = []
    while not children:
        time.sleep(0.1)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    time.sleep(0.5)
    os.kill(int(children[0]), signal.SIGKILL)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "signal 9" in stderr and "memory" in stderr
    assert list((tmp_path / "o").iterdir()) == []


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium to draw the page")
def test_the_page_draws_itself(compared: tuple[Path, str], tmp_path: Path) -> None:
    """The text of the page after its script ran, with a model's name that would be an element if it were not escaped."""
    html = (compared[0] / "report.html").read_text().replace('"name":"q8"', '"name":"q8\\u003cimg src=x id=evil>"')
    (tmp_path / "report.html").write_text(html)
    done = subprocess.run(
        ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=4000", "--dump-dom",
         f"file://{tmp_path}/report.html"], capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    body = done.stdout[: done.stdout.index("<script")]
    for part in ("Error of every output", "Depth maps", "Error percentiles", "Layers", "Environment", "prototype", "blocks.1"):
        assert part in body
    assert "q8&lt;img src=x id=evil&gt;" in body and "<img src=x" not in body.replace('"', "")
    q8 = results(compared[0])["models"][0]
    assert f"{q8['outputs']['depth']['psnr_db']:.1f}" in body


def test_help_is_on_stdout() -> None:
    done = run("--help")
    assert "--image-folder" in done.stdout and "[crop]" in done.stdout and done.stderr == ""
