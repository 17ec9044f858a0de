// Camera poses as rotation and translation. OpenCV cameras: x right, y down, z forward; a pose maps world to
// camera.
#pragma once

#include <array>
#include <optional>

namespace vqt {

using Vec3 = std::array<double, 3>;

struct Quaternion {  // of length 1
  double w = 1, x = 0, y = 0, z = 0;
};

Quaternion normalized(const Quaternion& q);  // NaN where q is 0 or not finite
Quaternion conjugate(const Quaternion& q);
Quaternion multiply(const Quaternion& a, const Quaternion& b);
Vec3 rotate(const Quaternion& q, const Vec3& v);

struct Pose {
  Quaternion rotation;
  Vec3 translation = {0, 0, 0};
};

// Row by row: rotation and place of a camera in the world.
using CameraToWorld = std::array<std::array<double, 4>, 3>;
// The pose of a camera at `centre` whose axes are those of `rotation`, camera to world.
Pose pose_of_camera(const Quaternion& rotation, const Vec3& centre);
// Unset where the first three columns are not a rotation, up to 0.001: mirrored, scaled, not finite.
std::optional<Pose> pose_of_camera(const CameraToWorld& camera);

Vec3 to_camera(const Pose& pose, const Vec3& world);
Vec3 to_world(const Pose& pose, const Vec3& camera);

// What maps the second camera's coordinates to the first's: a b^-1.
Pose relative_pose(const Pose& a, const Pose& b);

// Degrees, 0 to 180. NaN where an argument holds NaN.
double rotation_angle(const Quaternion& a, const Quaternion& b);
// Degrees between two directions whose sign does not count, 0 to 90. NaN where one of them has length 0.
double direction_angle(const Vec3& a, const Vec3& b);

}  // namespace vqt
