"""scene/NAME.glb and scene/NAME/sparse/0 of vqt-eval, read here by their specifications alone; and read back by
--ground-truth, where a model whose poses are the truth scores 100."""

import json
import struct
import sys
from pathlib import Path
from typing import Dict

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent))
import cloud_test  # noqa: E402
import ground_truth_test  # noqa: E402
from run_eval import results, run  # noqa: E402

COUNT, HEIGHT, WIDTH, SIDE = 4, 112, 140, 70  # files of twice the size that the model is fed
FOV_Y, FOV_X = 0.8, 1.0


class Known(nn.Module):
    """Returns cameras and depth of a scene whatever it is shown."""

    def __init__(self, pose: Tensor, depth: Tensor) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 8)
        self.register_buffer("pose", pose)
        self.register_buffer("depth", depth)

    def forward(self, images: Tensor) -> Dict[str, Tensor]:
        zero = self.b(self.a(images.flatten()[:8])).sum() * 0.0
        return {"pose_enc": self.pose.unsqueeze(0) + zero, "depth": self.depth.unsqueeze(0) + zero}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(3)
    (root / "photos").mkdir()
    encodings = []
    for i in range(COUNT):
        Image.fromarray(rng.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)).save(root / f"photos/view {i}.png")
        q = ground_truth_test.quaternion(ground_truth_test.rotation(rng, 20))
        encodings.append([*rng.normal(scale=0.5, size=3), *q[1:], q[0], FOV_Y, FOV_X])
    v, u = np.mgrid[0 : HEIGHT // 2, 0 : WIDTH // 2]
    depth = np.stack([4 + 0.01 * u + 0.02 * v + 0.1 * i for i in range(COUNT)])[..., None]
    model = Known(torch.tensor(encodings).float(), torch.tensor(depth).float())
    torch.jit.save(torch.jit.script(model.eval()), str(root / "known.pt"))
    run("--reference", root / "known.pt", "--preset", "prototype", "--image-folder", root / "photos", "--image-size", SIDE,
        "--cloud-confidence", 0, "--output-dir", root / "out", *cloud_test.FAST)  # fmt: skip
    np.save(root / "encodings.npy", np.array(encodings, np.float32))
    return root


def chunks(file: bytes) -> list[tuple[bytes, bytes]]:
    magic, version, length = struct.unpack_from("<4sII", file)
    assert (magic, version, length) == (b"glTF", 2, len(file))
    found, at = [], 12
    while at < length:
        size, kind = struct.unpack_from("<I4s", file, at)
        assert size % 4 == 0 and at % 4 == 0
        found.append((kind, file[at + 8 : at + 8 + size]))
        at += 8 + size
    assert at == length
    return found


def accessor(gltf: dict, binary: bytes, index: int) -> np.ndarray:
    a = gltf["accessors"][index]
    view = gltf["bufferViews"][a["bufferView"]]
    kind = {5126: np.dtype("<f4"), 5123: np.dtype("<u2")}[a["componentType"]]
    width = {"VEC3": 3, "VEC4": 4}[a["type"]]
    assert view["byteOffset"] % 4 == 0 and kind.itemsize * width % 4 == 0  # each vertex begins at a multiple of 4
    assert view["byteLength"] == a["count"] * width * kind.itemsize
    assert view["byteOffset"] + view["byteLength"] <= gltf["buffers"][view["buffer"]]["byteLength"] <= len(binary)
    return np.frombuffer(binary, kind, a["count"] * width, view["byteOffset"]).reshape(-1, width)


def centres(encodings: np.ndarray) -> np.ndarray:
    return np.array([-ground_truth_test.matrix(e[3:7]).T @ e[:3] for e in encodings.astype(float)])


@pytest.mark.parametrize("name", ["float", "prototype"])
def test_glb(scene: Path, name: str) -> None:
    (kind, text), (binary_kind, binary) = chunks((scene / f"out/scene/{name}.glb").read_bytes())
    assert (kind, binary_kind) == (b"JSON", b"BIN\0")
    gltf = json.loads(text)
    assert gltf["asset"]["version"] == "2.0" and gltf["buffers"] == [{"byteLength": len(binary)}]
    (primitive,) = gltf["meshes"][0]["primitives"]
    assert primitive["mode"] == 0  # POINTS
    ply = cloud_test.read_ply(scene / f"out/scene/{name}.ply")
    positions = accessor(gltf, binary, primitive["attributes"]["POSITION"])
    np.testing.assert_array_equal(positions, ply["xyz"])
    box = gltf["accessors"][primitive["attributes"]["POSITION"]]
    np.testing.assert_array_equal(np.float32([box["min"], box["max"]]), [positions.min(0), positions.max(0)])
    colours = accessor(gltf, binary, primitive["attributes"]["COLOR_0"]).astype(float) / 65535
    assert gltf["accessors"][primitive["attributes"]["COLOR_0"]]["normalized"] is True and (colours[:, 3] == 1).all()
    linear = colours[:, :3]
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)
    np.testing.assert_array_equal(np.rint(255 * srgb), ply["rgb"])

    (root,) = gltf["scenes"][gltf["scene"]]["nodes"]
    nodes = gltf["nodes"]
    assert nodes[root]["rotation"] == [1, 0, 0, 0] and sorted(nodes[root]["children"]) == list(range(1, len(nodes)))
    cameras = [n for n in nodes if "camera" in n]
    assert [n["name"] for n in cameras] == [f"view {i}.png" for i in range(COUNT)]
    encodings = np.load(scene / "encodings.npy")
    for node, encoding, centre in zip(cameras, encodings, centres(encodings)):
        perspective = gltf["cameras"][node["camera"]]["perspective"]
        assert perspective["yfov"] == pytest.approx(FOV_Y, rel=1e-6)
        assert perspective["aspectRatio"] == pytest.approx(np.tan(FOV_X / 2) / np.tan(FOV_Y / 2), rel=1e-6)
        m = np.array(node["matrix"]).reshape(4, 4).T
        np.testing.assert_allclose(m[:3, 3], centre, atol=1e-6)
        forward = ground_truth_test.matrix(encoding[3:7].astype(float)).T @ [0, 0, 1]
        np.testing.assert_allclose(m[:3, :3] @ [0, 0, -1], forward, atol=1e-6)
        assert np.linalg.det(m[:3, :3]) == pytest.approx(1, abs=1e-6)


def read_binary(folder: Path) -> tuple[dict, dict, dict]:
    cameras, images, points = {}, {}, {}
    data = (folder / "cameras.bin").read_bytes()
    for k in range(struct.unpack_from("<Q", data)[0]):
        number, model, *rest = struct.unpack_from("<iiQQ4d", data, 8 + 56 * k)
        assert model == 1
        cameras[number] = rest
    data, at = (folder / "images.bin").read_bytes(), 8
    for _ in range(struct.unpack_from("<Q", data)[0]):
        number, *pose, camera = struct.unpack_from("<i7di", data, at)
        end = data.index(b"\0", at + 64)
        (count,) = struct.unpack_from("<Q", data, end + 1)
        seen = np.frombuffer(data, np.dtype([("xy", "<f8", 2), ("id", "<i8")]), count, end + 9)
        images[data[at + 64 : end].decode()] = (number, pose, camera, seen)
        at = end + 9 + 24 * count
    assert at == len(data)
    data, at = (folder / "points3D.bin").read_bytes(), 8
    for _ in range(struct.unpack_from("<Q", data)[0]):
        number, x, y, z, r, g, b, _, track = struct.unpack_from("<Q3d3BdQ", data, at)
        at += 51
        points[number] = ((x, y, z), (r, g, b), [struct.unpack_from("<ii", data, at + 8 * k) for k in range(track)])
        at += 8 * track
    assert at == len(data)
    return cameras, images, points


def test_colmap(scene: Path) -> None:
    folder = scene / "out/scene/float/sparse/0"
    cameras, images, points = read_binary(folder)
    # In the files' pixels: 140 x 112, though the model is fed half of that.
    fx, fy = WIDTH / 2 / np.tan(FOV_X / 2), HEIGHT / 2 / np.tan(FOV_Y / 2)
    for camera in cameras.values():
        assert camera == pytest.approx([WIDTH, HEIGHT, fx, fy, WIDTH / 2, HEIGHT / 2], rel=1e-6)
    ply = cloud_test.read_ply(scene / "out/scene/float.ply")
    assert len(points) == len(ply) == COUNT * WIDTH * HEIGHT / 4
    np.testing.assert_array_equal(np.float32([points[k + 1][0] for k in range(len(ply))]), ply["xyz"])
    np.testing.assert_array_equal([points[k + 1][1] for k in range(len(ply))], ply["rgb"])
    for e, (number, pose, _, seen) in zip(np.load(scene / "encodings.npy").astype(float), images.values()):
        assert pose == pytest.approx([e[6], *e[3:6], *e[:3]], abs=1e-6)
        # Every point is seen where its camera projects it, and names the image.
        xyz = np.array([points[k][0] for k in seen["id"]])
        at = xyz @ ground_truth_test.matrix(e[3:7]).T + e[:3]
        np.testing.assert_allclose(at[:, :2] / at[:, 2:] * [fx, fy] + [WIDTH / 2, HEIGHT / 2], seen["xy"], atol=1e-3)
        assert [points[k][2] for k in seen["id"]] == [[(number, i)] for i in range(len(seen))]
    # The text says the same.
    lines = [line for line in (folder / "images.txt").read_text().splitlines() if not line.startswith("#")]
    assert len(lines) == 2 * COUNT
    for pose_line, seen_line, (name, (number, pose, camera, seen)) in zip(lines[::2], lines[1::2], images.items()):
        *values, camera_text, found = pose_line.split(" ", 9)
        assert (int(values[0]), int(camera_text), found) == (number, camera, name)
        assert [float(x) for x in values[1:]] == pose
        triples = np.array(seen_line.split(), float).reshape(-1, 3)
        np.testing.assert_allclose(triples, np.column_stack([seen["xy"], seen["id"]]), rtol=1e-6)
    text = [line.split() for line in (folder / "points3D.txt").read_text().splitlines() if line[0] != "#"]
    for words in text[:: len(text) // 50]:
        xyz, rgb, track = points[int(words[0])]
        assert np.float32(words[1:4]).tolist() == np.float32(xyz).tolist() and tuple(map(int, words[4:7])) == rgb
        assert [(int(a), int(b)) for a, b in zip(words[8::2], words[9::2])] == track
    words = [line.split() for line in (folder / "cameras.txt").read_text().splitlines() if line[0] != "#"]
    assert {int(w[0]): [float(x) for x in w[2:]] for w in words} == cameras and {w[1] for w in words} == {"PINHOLE"}


@pytest.mark.parametrize("kind", ["bin", "txt"])
def test_read_back_as_ground_truth_the_model_is_right(scene: Path, tmp_path: Path, kind: str) -> None:
    for file in (scene / "out/scene/float/sparse/0").glob(f"*.{kind}"):
        (tmp_path / "truth/sparse/0").mkdir(parents=True, exist_ok=True)
        (tmp_path / "truth/sparse/0" / file.name).write_bytes(file.read_bytes())
    (tmp_path / "truth/images").symlink_to(scene / "photos")
    run("--reference", scene / "known.pt", "--preset", "prototype", "--ground-truth", tmp_path / "truth", "--image-size", SIDE,
        "--cloud-points", 0, "--output-dir", tmp_path / "out", *cloud_test.FAST)  # fmt: skip
    found = results(tmp_path / "out")
    assert found["ground_truth"]["layout"] == "COLMAP" and found["ground_truth"]["pictures"] == COUNT
    scores = found["reference"]["ground_truth"]
    assert scores["pose"]["auc_3"] == scores["pose"]["auc_30"] == 100
    assert scores["pose"]["pairs"] == COUNT * (COUNT - 1) / 2
    assert scores["pose"]["rotation_median_deg"] < 1e-3 and scores["pose"]["translation_median_deg"] < 1e-3
    assert scores["depth"]["abs_rel"] < 0.01 and scores["depth"]["delta_1_25"] == 100
    assert scores["depth"]["pixels"] > 0.4 * COUNT * WIDTH * HEIGHT / 4


def write_seven_scenes(folder: Path, cameras: list[np.ndarray]) -> None:
    for i, camera in enumerate(cameras):
        Image.new("RGB", (640, 480), (9 * i, 0, 0)).save(folder / f"frame-{i:06}.color.png")
        Image.fromarray(np.full((480, 640), 4000, np.uint16)).save(folder / f"frame-{i:06}.depth.png")
        (folder / f"frame-{i:06}.pose.txt").write_text("\n".join(" ".join(f"{x:.7e}" for x in row) for row in camera) + "\n")


def write_tum(folder: Path, cameras: list[np.ndarray]) -> None:
    texts = {"rgb": "# color\n", "depth": "# depth\n", "groundtruth": "# timestamp tx ty tz qx qy qz qw\n"}
    for kind in ("rgb", "depth"):
        (folder / kind).mkdir()
    for i, camera in enumerate(cameras):
        Image.new("RGB", (640, 480), (9 * i, 0, 0)).save(folder / f"rgb/{i}.png")
        Image.fromarray(np.full((480, 640), 20000, np.uint16)).save(folder / f"depth/{i}.png")
        w, *xyz = ground_truth_test.quaternion(camera[:3, :3])
        texts["rgb"] += f"{100 + i}.00 rgb/{i}.png\n"
        texts["depth"] += f"{100 + i}.01 depth/{i}.png\n"
        texts["groundtruth"] += " ".join(f"{x:.6f}" for x in (99.99 + i, *camera[:3, 3], *xyz, w)) + "\n"
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(text)


def write_nerfstudio(folder: Path, cameras: list[np.ndarray]) -> None:
    (folder / "images").mkdir()
    applied = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
    frames = []
    for i, camera in enumerate(cameras):
        Image.new("RGB", (640, 480), (9 * i, 0, 0)).save(folder / f"images/{i}.png")
        frames.append({"file_path": f"images/{i}.png", "transform_matrix": (applied @ camera @ np.diag([1, -1, -1, 1])).tolist()})
    scene = {"w": 640, "h": 480, "fl_x": 500, "applied_transform": applied[:3].tolist(), "frames": frames}
    (folder / "transforms.json").write_text(json.dumps(scene))


@pytest.mark.parametrize(
    ("layout", "write"), [("7-Scenes", write_seven_scenes), ("TUM", write_tum), ("nerfstudio", write_nerfstudio)]
)
def test_poses_in_every_convention_score_100(scene: Path, tmp_path: Path, layout: str, write) -> None:
    """The model's own cameras, written as each data set does it: camera to world."""
    cameras = []
    for e in np.load(scene / "encodings.npy").astype(float):
        camera = np.eye(4)
        camera[:3, :3] = ground_truth_test.matrix(e[3:7]).T
        camera[:3, 3] = -camera[:3, :3] @ e[:3]
        cameras.append(camera)
    (tmp_path / "truth").mkdir()
    write(tmp_path / "truth", cameras)
    run("--reference", scene / "known.pt", "--preset", "prototype", "--ground-truth", tmp_path / "truth", "--image-size", SIDE,
        "--cloud-points", 0, "--output-dir", tmp_path / "out", *cloud_test.FAST)  # fmt: skip
    found = results(tmp_path / "out")
    assert len(found["scene"]["pictures"]) == COUNT  # depth maps beside them are no images
    assert (found["ground_truth"]["layout"], found["ground_truth"]["pictures"]) == (layout, COUNT)
    scores = found["reference"]["ground_truth"]
    assert scores["pose"]["auc_3"] == 100 and scores["pose"]["pairs"] == COUNT * (COUNT - 1) / 2
    if layout == "nerfstudio":
        assert scores["depth"]["abs_rel"] is None
    else:  # a wall at 4 metres: the model's depth varies by a fifth
        assert scores["depth"]["pixels"] == COUNT * WIDTH * HEIGHT / 4 and scores["depth"]["delta_1_25"] > 95
        assert scores["depth"]["scale"] == pytest.approx(4 / 5.1, rel=0.05)
