"""Scenes as folders in ETH3D's layout, written and read.

    images/dslr_images_undistorted/view_0.png                the images
    dslr_calibration_undistorted/cameras.txt                 COLMAP text: one PINHOLE camera
    dslr_calibration_undistorted/images.txt                  poses, world to camera, and the points each image shows
    dslr_calibration_undistorted/points3D.txt                some points of the surfaces that two images or more show
    ground_truth_depth/dslr_images_undistorted/view_0.png    not a PNG in spite of its name: float32, row by row,
                                                             metres along the optical axis; 0 or inf: unknown

COLMAP has the first pixel's centre at (0.5, 0.5), this project at (0, 0) with the principal point at (W / 2, H / 2).
So cx and cy are written as W / 2 + 0.5 and H / 2 + 0.5: the ray of a pixel is the same in both.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from examples.vggt.geometry import matrix_to_quaternion, quaternion_to_matrix

from .views import Views, focal_lengths

CALIBRATION = "dslr_calibration_undistorted"
PICTURES = "images/dslr_images_undistorted"
DEPTH = "ground_truth_depth/dslr_images_undistorted"
POINTS = 100
_HALF = 0.5  # from this project's pixel coordinates to COLMAP's
_SAME_DEPTH = 0.01  # relative difference below which a pixel shows the point


@dataclass
class _Points:
    """n points of the world: where [n, 3], colour [n, 3]; pixel [n, S, 2] in COLMAP's coordinates, seen [n, S]."""

    where: np.ndarray
    colour: np.ndarray
    pixel: np.ndarray
    seen: np.ndarray


def _sample_points(views: Views, count: int, seed: int) -> _Points:
    """At most count surface points that two views or more see, at the centres of random pixels of random views."""
    rng = np.random.default_rng(seed)
    s, height, width = views.depth.shape
    draws = 20 * count
    view, v, u = (rng.integers(0, top, draws) for top in (s, height, width))
    fx, fy = focal_lengths(views.fov, height, width)
    z = views.depth[view, v, u].astype(np.float64)
    camera = np.stack([(u - width / 2) / fx * z, (v - height / 2) / fy * z, z], -1)
    pose = views.extrinsics.astype(np.float64)
    world = np.einsum("nij,ni->nj", pose[view, :, :3], camera - pose[view, :, 3])

    there = np.einsum("sij,nj->nsi", pose[:, :, :3], world) + pose[:, :, 3]
    depth = np.maximum(there[..., 2], 1e-9)
    x = there[..., 0] / depth * fx + width / 2
    y = there[..., 1] / depth * fy + height / 2
    column, row = np.floor(x + _HALF).astype(int), np.floor(y + _HALF).astype(int)
    inside = (there[..., 2] > 0) & (column >= 0) & (column < width) & (row >= 0) & (row < height)
    shown = views.depth[np.arange(s), np.where(inside, row, 0), np.where(inside, column, 0)]
    seen = inside & (np.abs(shown / depth - 1) < _SAME_DEPTH)
    seen[np.arange(draws), view] = True
    kept = np.flatnonzero(seen.sum(1) >= 2)[:count]
    pixel = np.stack([x, y], -1) + _HALF
    return _Points(world[kept], views.images[view, v, u][kept], pixel[kept], seen[kept])


def write_scene(folder: Path, views: Views, points: int = POINTS, seed: int = 0) -> None:
    """The same views and seed give the same bytes. Raises ValueError where the folder holds something already."""
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"{folder}: expected no such folder or an empty one")
    for part in (CALIBRATION, PICTURES, DEPTH):
        (folder / part).mkdir(parents=True, exist_ok=True)
    s, height, width = views.depth.shape
    names = [f"view_{i}.png" if s <= 10 else f"view_{i:04}.png" for i in range(s)]
    for name, image, depth in zip(names, views.images, views.depth):
        Image.fromarray(image).save(folder / PICTURES / name, optimize=True)
        depth.astype("<f4").tofile(folder / DEPTH / name)

    fx, fy = focal_lengths(views.fov, height, width)
    camera = f"1 PINHOLE {width} {height} {fx:.9f} {fy:.9f} {width / 2 + _HALF} {height / 2 + _HALF}"
    _write_lines(folder / CALIBRATION / "cameras.txt", ["# CAMERA_ID MODEL WIDTH HEIGHT fx fy cx cy", camera])

    chosen = _sample_points(views, points, seed)
    tracks: list[list[str]] = [[] for _ in chosen.where]
    lines = ["# IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME", "# POINTS2D: X Y POINT3D_ID ..."]
    pose = torch.from_numpy(views.extrinsics.astype(np.float64))
    for i, (name, (x, y, z, w)) in enumerate(zip(names, matrix_to_quaternion(pose[..., :3]).tolist())):
        numbers = " ".join(f"{value:.9f}" for value in (w, x, y, z, *pose[i, :, 3].tolist()))
        lines.append(f"{i + 1} {numbers} 1 {Path(PICTURES).name}/{name}")
        shown = np.flatnonzero(chosen.seen[:, i])
        lines.append(" ".join(f"{chosen.pixel[k, i, 0]:.3f} {chosen.pixel[k, i, 1]:.3f} {k + 1}" for k in shown))
        for index, k in enumerate(shown):
            tracks[k].append(f"{i + 1} {index}")
    _write_lines(folder / CALIBRATION / "images.txt", lines)

    lines = ["# POINT3D_ID X Y Z R G B ERROR TRACK: IMAGE_ID POINT2D_IDX ..."]
    for k, (where, colour) in enumerate(zip(chosen.where, chosen.colour)):
        place, paint = " ".join(f"{value:.6f}" for value in where), " ".join(str(value) for value in colour)
        lines.append(f"{k + 1} {place} {paint} 0 {' '.join(tracks[k])}")
    _write_lines(folder / CALIBRATION / "points3D.txt", lines)


def _write_lines(path: Path, lines: list[str]) -> None:
    path.write_text("\n".join(lines) + "\n", newline="\n")


def is_scene(folder: Path) -> bool:
    return (folder / CALIBRATION).is_dir()


def find_scenes(folder: Path) -> list[Path]:
    """The folder itself where it is a scene, else the scenes in it by name. Raises ValueError where there is none."""
    found = [folder] if is_scene(folder) else sorted(p for p in folder.glob("*") if is_scene(p))
    if not found:
        raise ValueError(f"{folder}: expected a scene in ETH3D's layout or a folder of such scenes; "
                         "python -m examples.vggt_mini.held_out renders some")  # fmt: skip
    return found


class _Line:
    """One line of a COLMAP file, read word by word; errors name file and line."""

    def __init__(self, path: Path, number: int, text: str) -> None:
        self.path, self.line, self.words, self.at = path, number, text.split(), 0

    def fail(self, what: str) -> ValueError:
        return ValueError(f"{self.path}:{self.line}: {what}")

    def word(self, what: str) -> str:
        if self.at >= len(self.words):
            raise self.fail(f"{what} is missing")
        self.at += 1
        return self.words[self.at - 1]

    def number(self, what: str) -> float:
        text = self.word(what)
        try:
            value = float(text)
        except ValueError:
            value = np.nan
        if not np.isfinite(value):
            raise self.fail(f"{what}: expected a finite number, got {text}")
        return value

    def whole(self, what: str, least: int = 0) -> int:
        text = self.word(what)
        if not text.isdecimal() or int(text) < least:
            raise self.fail(f"{what}: expected a whole number of at least {least}, got {text}")
        return int(text)

    def end(self, after: str) -> None:
        if self.at < len(self.words):
            raise self.fail(f"expected nothing after {after}, got {self.words[self.at]}")


def _records(path: Path, lines_each: int = 1) -> list[_Line]:
    """First lines of all records; a record's other lines may be empty and are passed over."""
    lines = [_Line(path, i + 1, text) for i, text in enumerate(path.read_text().splitlines())]
    records, at = [], 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if not line.words or line.words[0].startswith("#"):
            continue
        records.append(line)
        at += lines_each - 1
    if not records:
        raise ValueError(f"{path}: expected at least one line that is no comment")
    return records


def _read_camera(path: Path) -> tuple[int, int, int, np.ndarray]:
    """(id, height, width, fov) of the only camera."""
    lines = _records(path)
    if len(lines) > 1:
        raise lines[1].fail("expected one camera for all images, this is a second one")
    line = lines[0]
    camera, model = line.whole("CAMERA_ID"), line.word("MODEL")
    if model != "PINHOLE":
        raise line.fail(f"MODEL: expected PINHOLE, got {model}")
    width, height = line.whole("WIDTH", 1), line.whole("HEIGHT", 1)
    fx, fy, cx, cy = (line.number(name) for name in ("fx", "fy", "cx", "cy"))
    line.end("the four parameters fx fy cx cy")
    if fx <= 0 or fy <= 0:
        raise line.fail(f"fx and fy: expected more than 0, got {fx} and {fy}")
    middle = (width / 2 + _HALF, height / 2 + _HALF)
    if np.abs(np.subtract((cx, cy), middle)).max() > 1e-3:
        raise line.fail(f"cx and cy: expected {middle[0]} and {middle[1]}, half the size and half a pixel, "
                        f"got {cx} and {cy}")  # fmt: skip
    fov = 2 * np.arctan([height / 2 / fy, width / 2 / fx])
    return camera, height, width, fov.astype(np.float32)


def _read_poses(path: Path, camera: int) -> dict[str, np.ndarray]:
    """Extrinsics [3, 4] by file name, in the names' order."""
    poses: dict[str, np.ndarray] = {}
    for line in _records(path, lines_each=2):
        line.whole("IMAGE_ID")
        w, x, y, z = (line.number(name) for name in ("QW", "QX", "QY", "QZ"))
        if w * w + x * x + y * y + z * z < 1e-12:
            raise line.fail("QW QX QY QZ: expected a rotation, got 0 0 0 0")
        translation = [line.number(name) for name in ("TX", "TY", "TZ")]
        used = line.whole("CAMERA_ID")
        if used != camera:
            raise line.fail(f"CAMERA_ID: expected {camera}, the one in cameras.txt, got {used}")
        name = Path(line.word("NAME")).name
        line.end("NAME")
        if name in poses:
            raise line.fail(f"NAME: {name} occurs a second time")
        rotation = quaternion_to_matrix(torch.tensor([x, y, z, w], dtype=torch.float64)).numpy()
        poses[name] = np.concatenate([rotation, np.array(translation)[:, None]], 1).astype(np.float32)
    return dict(sorted(poses.items()))


def _read_image(path: Path, height: int, width: int) -> np.ndarray:
    with Image.open(path) as image:
        if image.size != (width, height):
            raise ValueError(
                f"{path}: expected the camera's {width} x {height} pixels, got {image.width} x {image.height}"
            )
        return np.asarray(image.convert("RGB"))


def _read_depth(path: Path, height: int, width: int) -> np.ndarray:
    data = path.read_bytes()
    if len(data) != 4 * height * width:
        raise ValueError(f"{path}: expected {4 * height * width} bytes, {width} x {height} float32, got {len(data)}")
    return np.frombuffer(data, "<f4").astype(np.float32).reshape(height, width)


def read_scene(folder: Path) -> Views:
    """Views of a folder as write_scene makes it, in the order of the images' names.

    Raises ValueError or OSError with the file, and the line where one is to blame.
    """
    if not is_scene(folder):
        raise ValueError(f"{folder}: expected a scene in ETH3D's layout, found no folder {CALIBRATION} in it")
    camera, height, width, fov = _read_camera(folder / CALIBRATION / "cameras.txt")
    poses = _read_poses(folder / CALIBRATION / "images.txt", camera)
    return Views(
        images=np.stack([_read_image(folder / PICTURES / name, height, width) for name in poses]),
        depth=np.stack([_read_depth(folder / DEPTH / name, height, width) for name in poses]),
        extrinsics=np.stack(list(poses.values())),
        fov=fov,
    )
