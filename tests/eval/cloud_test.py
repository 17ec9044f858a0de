"""scene/*.ply of vqt-eval, read without it, against the models run in Python: which pixels, where, in which colours."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
import ground_truth_test  # noqa: E402
import scenes  # noqa: E402
from run_eval import OPS, QUANTIZE, results, run  # noqa: E402

FAST = ["--warmup", "1", "--runs", "1", "--quiet"]
VERTEX = np.dtype([("xyz", "<f4", 3), ("rgb", "u1", 3)])


def read_ply(path: Path) -> np.ndarray:
    head, body = path.read_bytes().split(b"end_header\n", 1)
    lines = head.decode().splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    properties = [f"property {t} {n}" for t, names in (("float", "xyz"), ("uchar", ("red", "green", "blue"))) for n in names]
    assert [line for line in lines if line.startswith("property")] == properties
    vertices = np.frombuffer(body, VERTEX)
    assert f"element vertex {len(vertices)}" in lines
    return vertices


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models that know a scene, each float and quantized."""
    torch.ops.load_library(str(OPS))
    path = tmp_path_factory.mktemp("cloud")
    scene = ground_truth_test.Scene(path / "courtyard", dense=True).model()
    scenes.save(scene, path / "points.pt")
    scenes.save(scenes.WithoutPoints(scene.pose, scene.depth, scene.points), path / "depth.pt")
    for name in ("points", "depth"):
        subprocess.run([QUANTIZE, path / f"{name}.pt", "-o", path / f"{name}4.pt", "--preset", "smallest", "--quiet"],
                       check=True, timeout=300)  # fmt: skip
    return path


def save(pictures: np.ndarray, folder: Path) -> None:
    """In the size they are fed, so that nothing is resized."""
    folder.mkdir()
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{i}.png")


def forward(path: Path, pictures: np.ndarray) -> dict[str, np.ndarray]:
    with torch.no_grad():
        outputs = torch.jit.load(path)(scenes.model_input(pictures)[None])
    return {name: value[0].double().numpy() for name, value in outputs.items() if value.dim() > 2}


def surest(confidence: np.ndarray, percent: float) -> np.ndarray:
    """The numbers of the pixels that are kept."""
    return np.flatnonzero(confidence.ravel() >= np.percentile(confidence, percent))


def assert_cloud(path: Path, points: np.ndarray, pictures: np.ndarray, pixels: np.ndarray) -> None:
    vertices = read_ply(path)
    # Convolutions may round differently from process to process, and integers after them the other way.
    np.testing.assert_allclose(vertices["xyz"], points.reshape(-1, 3)[pixels], rtol=0, atol=2e-3)
    assert np.abs(vertices["xyz"] - points.reshape(-1, 3)[pixels]).mean() < 1e-4
    np.testing.assert_array_equal(vertices["rgb"], pictures.reshape(-1, 3)[pixels])


def test_every_file_holds_the_pixels_the_float_model_is_surest_of(space: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    pictures = np.kron(rng.integers(0, 255, (5, 3, 3, 3), np.uint8), np.ones((1, 14, 14, 1), np.uint8))
    save(pictures, tmp_path / "photos")
    run("--reference", space / "points.pt", "--model", space / "points4.pt", "--image_folder", tmp_path / "photos",
        "--image_size", 42, "--output_dir", tmp_path / "out", *FAST)  # fmt: skip
    reference, quantized = forward(space / "points.pt", pictures), forward(space / "points4.pt", pictures)
    pixels = surest(reference["world_points_conf"], 50)
    assert len(pixels) == 5 * 42 * 42 / 2 and len(np.setdiff1d(pixels, surest(quantized["world_points_conf"], 50))) > 9
    assert_cloud(tmp_path / "out/scene/float.ply", reference["world_points"], pictures, pixels)
    assert_cloud(tmp_path / "out/scene/points4.ply", quantized["world_points"], pictures, pixels)

    found = results(tmp_path / "out")["cloud"]
    assert found["output"] == "world_points" and found["pictures"] == 5
    threshold = np.percentile(reference["world_points_conf"], 50)
    assert found["confidence"] == {"output": "world_points_conf", "percent": 50, "threshold": pytest.approx(threshold, rel=1e-5)}
    assert found["reference"] == {"file": "scene/float.ply", "points": len(pixels)}
    a, b = (outputs["world_points"].reshape(-1, 3)[pixels] for outputs in (reference, quantized))
    distance = np.linalg.norm(a - b, axis=1)
    model = found["models"]["points4"]
    assert (model["file"], model["points"]) == ("scene/points4.ply", len(pixels))
    assert model["mean_distance"] == pytest.approx(distance.mean(), rel=1e-3) and distance.mean() > 0.01
    assert model["median_distance"] == pytest.approx(np.median(distance), rel=0.02)
    assert found["distance_scale"] == pytest.approx(np.percentile(distance, 99), rel=0.02)
    first = reference["pose_enc"][0]
    centre = -ground_truth_test.matrix(first[3:7]).T @ first[:3]
    assert found["scene_size"] == pytest.approx(np.linalg.norm(a - centre, axis=1).mean(), rel=1e-4)


def test_points_of_depth_and_poses_padding_forwards_and_a_cap(space: Path, tmp_path: Path) -> None:
    """Pictures of 42 x 28 in frames of 42 x 42: 14 columns of white are no points."""
    rng = np.random.default_rng(0)
    frames = np.full((4, 42, 42, 3), 255, np.uint8)
    frames[:, :, 7:35] = np.kron(rng.integers(0, 255, (4, 3, 2, 3)), np.ones((1, 14, 14, 1)))
    save(frames[:, :, 7:35], tmp_path / "photos")
    run("--reference", space / "depth.pt", "--model", space / "depth4.pt", "--image_folder", tmp_path / "photos", "--image_size",
        42, "--preprocess", "pad", "--frames", 2, "--cloud_points", 1000, "--cloud-confidence", 25, "--output_dir",
        tmp_path / "out", *FAST)  # fmt: skip
    inside = np.zeros((2, 42, 42), bool)
    inside[:, :, 7:35] = True
    outputs = {name: forward(space / f"{name}.pt", frames[:2]) for name in ("depth", "depth4")}
    kept = np.flatnonzero(inside)[surest(outputs["depth"]["depth_conf"][inside], 25)]
    assert len(kept) == 0.75 * 2 * 42 * 28
    pixels = kept[np.arange(1000) * len(kept) // 1000]
    for name, file in (("depth", "float"), ("depth4", "depth4")):
        points = []
        for encoding, depth in zip(outputs[name]["pose_enc"], outputs[name]["depth"][..., 0]):
            v, u = np.mgrid[0:42, 0:42]
            slope = np.tan(encoding[7:9] / 2) / 21
            camera = np.stack([(u - 21) * slope[1] * depth, (v - 21) * slope[0] * depth, depth], -1)
            points.append((camera - encoding[:3]) @ ground_truth_test.matrix(encoding[3:7]))
        assert_cloud(tmp_path / f"out/scene/{file}.ply", np.stack(points), frames[:2], pixels)
    found = results(tmp_path / "out")["cloud"]
    assert (found["output"], found["confidence"]["output"], found["confidence"]["percent"], found["pictures"]) == ("depth", "depth_conf", 25, 2)
    assert found["reference"]["points"] == found["models"]["depth4"]["points"] == 1000
