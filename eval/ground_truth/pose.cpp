#include "eval/ground_truth/pose.h"

#include <cmath>
#include <limits>

namespace vqt {
namespace {

constexpr double kDegrees = 180 / 3.14159265358979323846;

Vec3 cross(const Vec3& a, const Vec3& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}

double dot(const Vec3& a, const Vec3& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

Vec3 plus(const Vec3& a, const Vec3& b) { return {a[0] + b[0], a[1] + b[1], a[2] + b[2]}; }
Vec3 minus(const Vec3& a, const Vec3& b) { return {a[0] - b[0], a[1] - b[1], a[2] - b[2]}; }

// Of a rotation; the largest of the four parts is found first, so that no small one is divided by.
Quaternion quaternion_of(const CameraToWorld& m) {
  const double w = m[0][0] + m[1][1] + m[2][2], x = m[0][0] - m[1][1] - m[2][2],
               y = m[1][1] - m[0][0] - m[2][2], z = m[2][2] - m[0][0] - m[1][1];
  const double a = m[2][1] - m[1][2], b = m[0][2] - m[2][0], c = m[1][0] - m[0][1];
  const double d = m[1][0] + m[0][1], e = m[0][2] + m[2][0], f = m[2][1] + m[1][2];
  if (w >= x && w >= y && w >= z) return normalized({1 + w, a, b, c});
  if (x >= y && x >= z) return normalized({a, 1 + x, d, e});
  if (y >= z) return normalized({b, d, 1 + y, f});
  return normalized({c, e, f, 1 + z});
}

}  // namespace

Quaternion normalized(const Quaternion& q) {
  const double length = std::sqrt(q.w * q.w + q.x * q.x + q.y * q.y + q.z * q.z);
  return {q.w / length, q.x / length, q.y / length, q.z / length};
}

Quaternion conjugate(const Quaternion& q) { return {q.w, -q.x, -q.y, -q.z}; }

Quaternion multiply(const Quaternion& a, const Quaternion& b) {
  return {a.w * b.w - a.x * b.x - a.y * b.y - a.z * b.z, a.w * b.x + a.x * b.w + a.y * b.z - a.z * b.y,
          a.w * b.y - a.x * b.z + a.y * b.w + a.z * b.x, a.w * b.z + a.x * b.y - a.y * b.x + a.z * b.w};
}

Vec3 rotate(const Quaternion& q, const Vec3& v) {
  const Vec3 axis = {q.x, q.y, q.z};
  Vec3 twice = cross(axis, v);
  for (double& value : twice) value *= 2;
  const Vec3 bent = cross(axis, twice);
  return {v[0] + q.w * twice[0] + bent[0], v[1] + q.w * twice[1] + bent[1], v[2] + q.w * twice[2] + bent[2]};
}

Pose pose_of_camera(const Quaternion& rotation, const Vec3& centre) {
  const Quaternion to_camera = conjugate(rotation);
  return {to_camera, minus({0, 0, 0}, rotate(to_camera, centre))};
}

std::optional<Pose> pose_of_camera(const CameraToWorld& m) {
  constexpr double kTolerance = 0.001;
  const auto column = [&](int k) { return Vec3{m[0][k], m[1][k], m[2][k]}; };
  const Vec3 x = column(0), y = column(1), z = column(2), centre = column(3);
  const Vec3 expected = cross(x, y);  // of a rotation, z
  for (int k = 0; k < 3; ++k) {
    if (!(std::abs(expected[k] - z[k]) < kTolerance) || !std::isfinite(centre[k])) return {};
  }
  if (!(std::abs(dot(x, x) - 1) < kTolerance) || !(std::abs(dot(y, y) - 1) < kTolerance)) return {};
  return pose_of_camera(quaternion_of(m), centre);
}

Vec3 to_camera(const Pose& pose, const Vec3& world) {
  return plus(rotate(pose.rotation, world), pose.translation);
}

Vec3 to_world(const Pose& pose, const Vec3& camera) {
  return rotate(conjugate(pose.rotation), minus(camera, pose.translation));
}

Pose relative_pose(const Pose& a, const Pose& b) {
  const Quaternion rotation = multiply(a.rotation, conjugate(b.rotation));
  return {rotation, minus(a.translation, rotate(rotation, b.translation))};
}

double rotation_angle(const Quaternion& a, const Quaternion& b) {
  // atan2 of both halves: acos of the trace loses the small angles that matter here.
  const Quaternion between = multiply(conjugate(a), b);
  return 2 * kDegrees *
         std::atan2(std::sqrt(between.x * between.x + between.y * between.y + between.z * between.z),
                    std::abs(between.w));
}

double direction_angle(const Vec3& a, const Vec3& b) {
  if (!(dot(a, a) > 0) || !(dot(b, b) > 0)) return std::numeric_limits<double>::quiet_NaN();
  const Vec3 normal = cross(a, b);
  return kDegrees * std::atan2(std::sqrt(dot(normal, normal)), std::abs(dot(a, b)));
}

}  // namespace vqt
