"""Ray casting of textured boxes, spheres and cylinders inside a box-shaped room: colours and exact depth.

World and cameras as in OpenCV: x right, y down, z forward, metres. The ray of pixel (u, v) goes through
((u - W/2) / fx, (v - H/2) / fy, 1), so that examples/vggt/geometry.py's unproject_depth lands on the surface.
"""

from dataclasses import dataclass

import numba
import numpy as np

BOX, SPHERE, CYLINDER, ROOM = 0, 1, 2, 3
TEXTURE_SIZE = 128
EPSILON = np.float32(1e-4)
_TINY = np.float32(1e-9)


@dataclass
class Shapes:
    """n shapes in local frames: local = rotation @ (world - centre).

    kind [n] int32, rotation [n, 3, 3], centre [n, 3], half [n, 3] (half extents; a sphere's radius is half[0], a
    cylinder stands along y with radius half[0]), textures [n, 6] int32 per face (-x +x -y +y -z +z; a sphere has
    face 0, a cylinder's side 0 and its ends 2 and 3), scale [n, 6] in textures per metre, offset [n, 6, 2] in
    textures. Floats are float32.
    """

    kind: np.ndarray
    rotation: np.ndarray
    centre: np.ndarray
    half: np.ndarray
    textures: np.ndarray
    scale: np.ndarray
    offset: np.ndarray


@numba.njit(nogil=True, fastmath=True, cache=True)
def _hit_box(o, d, half, inside):
    """Distance to the box's faces (the far ones from inside) and the face; -1 where the ray misses."""
    near, far = np.float32(-1e30), np.float32(1e30)
    near_face, far_face = 0, 0
    for axis in range(3):
        step = d[axis]
        if abs(step) < _TINY:
            step = _TINY
        a = (-half[axis] - o[axis]) / step
        b = (half[axis] - o[axis]) / step
        face_a, face_b = 2 * axis, 2 * axis + 1
        if a > b:
            a, b = b, a
            face_a, face_b = face_b, face_a
        if a > near:
            near, near_face = a, face_a
        if b < far:
            far, far_face = b, face_b
    if inside:
        return far, far_face
    if near > far or near < EPSILON:
        return np.float32(-1.0), 0
    return near, near_face


@numba.njit(nogil=True, fastmath=True, cache=True)
def _hit_sphere(o, d, radius):
    a = d[0] * d[0] + d[1] * d[1] + d[2] * d[2]
    b = o[0] * d[0] + o[1] * d[1] + o[2] * d[2]
    c = o[0] * o[0] + o[1] * o[1] + o[2] * o[2] - radius * radius
    root = b * b - a * c
    if root <= 0:
        return np.float32(-1.0)
    return (-b - np.sqrt(root)) / a


@numba.njit(nogil=True, fastmath=True, cache=True)
def _hit_cylinder(o, d, radius, half_height):
    best, face = np.float32(-1.0), 0
    a = d[0] * d[0] + d[2] * d[2]
    if a > _TINY:
        b = o[0] * d[0] + o[2] * d[2]
        c = o[0] * o[0] + o[2] * o[2] - radius * radius
        root = b * b - a * c
        if root > 0:
            t = (-b - np.sqrt(root)) / a
            if t > EPSILON and abs(o[1] + t * d[1]) <= half_height:
                best = t
    if abs(d[1]) > _TINY:
        side = np.float32(-1.0) if d[1] > 0 else np.float32(1.0)
        t = (side * half_height - o[1]) / d[1]
        x, z = o[0] + t * d[0], o[2] + t * d[2]
        if t > EPSILON and x * x + z * z <= radius * radius and (best < 0 or t < best):
            best, face = t, 2 if side < 0 else 3
    return best, face


@numba.njit(nogil=True, fastmath=True, cache=True)
def _texel(atlas, texture, u, v, out):
    """Bilinear look-up; textures repeat mirrored, so that they have no seam."""
    size = atlas.shape[1]
    period = np.float32(2.0)
    one = np.float32(1)
    u = u - period * np.floor(u / period)
    v = v - period * np.floor(v / period)
    if u > one:
        u = period - u
    if v > one:
        v = period - v
    x, y = u * np.float32(size - 1), v * np.float32(size - 1)
    x0, y0 = min(int(x), size - 2), min(int(y), size - 2)
    fx, fy = x - np.float32(x0), y - np.float32(y0)
    for c in range(3):
        top = atlas[texture, y0, x0, c] * (one - fx) + atlas[texture, y0, x0 + 1, c] * fx
        bottom = atlas[texture, y0 + 1, x0, c] * (one - fx) + atlas[texture, y0 + 1, x0 + 1, c] * fx
        out[c] = top * (one - fy) + bottom * fy


@numba.njit(nogil=True, fastmath=True, cache=True)
def _cast(direction, kind, rotation, half, origins, towards, spare, local_d, best_d):
    """Nearest hit: (t, shape, face); best_d gets the direction in that shape's frame.

    Per shape: origins the camera in its frame, towards camera to centre in the world, spare |towards|^2 - radius^2.
    """
    best, shape, face = np.float32(1e30), -1, 0
    length = direction[0] * direction[0] + direction[1] * direction[1] + direction[2] * direction[2]
    for i in range(kind.shape[0]):
        along = towards[i, 0] * direction[0] + towards[i, 1] * direction[1] + towards[i, 2] * direction[2]
        if kind[i] != ROOM and (along <= 0 or along * along < spare[i] * length):
            continue  # passes outside of the bounding sphere
        for r in range(3):
            local_d[r] = (
                rotation[i, r, 0] * direction[0] + rotation[i, r, 1] * direction[1] + rotation[i, r, 2] * direction[2]
            )
        hit_face = 0
        if kind[i] == SPHERE:
            t = _hit_sphere(origins[i], local_d, half[i, 0])
        elif kind[i] == CYLINDER:
            t, hit_face = _hit_cylinder(origins[i], local_d, half[i, 0], half[i, 1])
        else:
            t, hit_face = _hit_box(origins[i], local_d, half[i], kind[i] == ROOM)
        if t > EPSILON and t < best:
            best, shape, face = t, i, hit_face
            for r in range(3):
                best_d[r] = local_d[r]
    return best, shape, face


@numba.njit(nogil=True, fastmath=True, cache=True)
def _surface(kind, face, p, half, normal):
    """Texture coordinates in metres and the outward normal at local point p."""
    for r in range(3):
        normal[r] = np.float32(0)
    if kind == SPHERE:
        for r in range(3):
            normal[r] = p[r] / half[0]
        return half[0] * np.arctan2(p[0], p[2]), p[1]
    if kind == CYLINDER and face == 0:
        normal[0], normal[2] = p[0] / half[0], p[2] / half[0]
        return half[0] * np.arctan2(p[0], p[2]), p[1]
    axis = face // 2
    normal[axis] = np.float32(2 * (face % 2) - 1)
    if kind == ROOM:
        normal[axis] = -normal[axis]
    if axis == 0:
        return p[2], p[1]
    if axis == 1:
        return p[0], p[2]
    return p[0], p[1]


@numba.njit(nogil=True, fastmath=True, cache=True)
def _render(kind, rotation, centre, half, textures, scale, offset, atlas, light, ambient, to_world, origin, fx, fy,
            samples, colour, depth):  # fmt: skip
    height, width = depth.shape
    n = kind.shape[0]
    origins, lights, towards = np.zeros((n, 3), np.float32), np.zeros((n, 3), np.float32), np.empty((n, 3), np.float32)
    spare = np.empty(n, np.float32)
    for i in range(n):
        spare[i] = np.float32(0)
        for r in range(3):
            towards[i, r] = centre[i, r] - origin[r]
            spare[i] += towards[i, r] * towards[i, r] - half[i, r] * half[i, r]
            for c in range(3):
                origins[i, r] -= rotation[i, r, c] * (centre[i, c] - origin[c])
                lights[i, r] += rotation[i, r, c] * (light[c] - centre[i, c])
        if kind[i] == SPHERE:
            spare[i] += half[i, 1] * half[i, 1] + half[i, 2] * half[i, 2]
        if kind[i] == CYLINDER:
            spare[i] += half[i, 2] * half[i, 2] - half[i, 0] * half[i, 0]
    direction, local_d, best_d = np.empty(3, np.float32), np.empty(3, np.float32), np.empty(3, np.float32)
    p, normal, texel = np.empty(3, np.float32), np.empty(3, np.float32), np.empty(3, np.float32)
    zero, one, middle = np.float32(0), np.float32(1), np.float32(0.5)
    rays = samples * samples
    for v in range(height):
        for u in range(width):
            for sub in range(rays + 1):
                # The last ray goes through the pixel's centre and gives depth alone.
                du, dv = zero, zero
                if sub < rays:
                    du = (np.float32(sub % samples) + middle) / np.float32(samples) - middle
                    dv = (np.float32(sub // samples) + middle) / np.float32(samples) - middle
                cx = (np.float32(u) + du - np.float32(width) * middle) / fx
                cy = (np.float32(v) + dv - np.float32(height) * middle) / fy
                for r in range(3):
                    direction[r] = to_world[r, 0] * cx + to_world[r, 1] * cy + to_world[r, 2]
                t, i, face = _cast(direction, kind, rotation, half, origins, towards, spare, local_d, best_d)
                if sub == rays:
                    depth[v, u] = t
                    continue
                for r in range(3):
                    p[r] = origins[i, r] + t * best_d[r]
                a, b = _surface(kind[i], face, p, half[i], normal)
                _texel(
                    atlas, textures[i, face], a * scale[i, face] + offset[i, face, 0],
                    b * scale[i, face] + offset[i, face, 1], texel,
                )  # fmt: skip
                dot, length = zero, EPSILON
                for r in range(3):
                    to_light = lights[i, r] - p[r]
                    dot += normal[r] * to_light
                    length += to_light * to_light
                shade = ambient + (one - ambient) * max(dot, zero) / np.sqrt(length)  # Lambert's law
                for c in range(3):
                    colour[v, u, c] += texel[c] * shade
            for c in range(3):
                colour[v, u, c] /= np.float32(max(rays, 1))


def render(
    shapes: Shapes,
    atlas: np.ndarray,
    light: np.ndarray,
    ambient: float,
    extrinsic: np.ndarray,
    focal: tuple[float, float],
    height: int,
    width: int,
    samples: int = 2,
) -> tuple[np.ndarray, np.ndarray]:
    """One view. atlas [textures, 128, 128, 3] uint8, light [3] in world metres, ambient 0 to 1, extrinsic [3, 4]
    world to camera, focal (fx, fy) in pixels, samples x samples rays a
    pixel (0: depth alone).

    Returns colours [height, width, 3] float32 in 0 to 255 (linear in texture and light) and depth [height, width]
    float32, metres along z, of the pixel's centre. Some shape must be a ROOM that holds the camera.
    """
    to_world = np.ascontiguousarray(extrinsic[:, :3].T.astype(np.float32))
    origin = (-to_world @ extrinsic[:, 3]).astype(np.float32)
    colour = np.zeros((height, width, 3), np.float32)
    depth = np.empty((height, width), np.float32)
    _render(
        shapes.kind, shapes.rotation, shapes.centre, shapes.half, shapes.textures, shapes.scale, shapes.offset, atlas,
        light.astype(np.float32), np.float32(ambient), to_world, origin, np.float32(focal[0]), np.float32(focal[1]),
        samples, colour, depth,
    )  # fmt: skip
    return colour, depth
