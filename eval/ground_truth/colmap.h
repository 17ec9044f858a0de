// COLMAP's files of a scene, text or binary: cameras, images, points3D.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "eval/ground_truth/scene_truth.h"

namespace vqt {

struct ColmapFiles {
  std::string cameras, images;
  std::string points;  // empty: there is none
};
// As COLMAP chooses: cameras.bin and images.bin if both are there, else cameras.txt and images.txt. Unset:
// neither.
std::optional<ColmapFiles> colmap_files(const std::string& folder);

struct ColmapImage {
  std::string name;  // as in the file: may have folders before it
  int64_t camera = 0;
  Pose pose;
  double centre_error = 0;      // see PictureTruth
  std::vector<int64_t> points;  // ids of the points seen in it
};

using ColmapCameras = std::map<int64_t, PinholeCamera>;
using ColmapPoints = std::unordered_map<int64_t, Vec3>;

// Binary where the name ends in .bin. Throw Error with the line or byte: no such file, a record that is not
// as expected, a camera with distortion, an id that occurs twice.
ColmapCameras read_colmap_cameras(const std::string& path);
std::vector<ColmapImage> read_colmap_images(const std::string& path);
ColmapPoints read_colmap_points(const std::string& path);

// One of COLMAP's camera models; the number stands for it in binary files.
struct ColmapCameraModel {
  int id;
  const char* name;
  int focal_lengths;  // 1: f cx cy, 2: fx fy cx cy; then the coefficients of its distortion
  int coefficients;
  bool fisheye;  // bent even where all coefficients are 0
};
const ColmapCameraModel* find_colmap_model(const std::string& name);
const ColmapCameraModel* find_colmap_model(int64_t id);

// The camera of a model with these parameters, one with distortion only if all coefficients are 0. Throws
// Error without a place in the file.
PinholeCamera colmap_camera(const ColmapCameraModel& model, int64_t width, int64_t height,
                            const std::vector<double>& parameters);

}  // namespace vqt
