#include "eval/drawing/glb_file.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "eval/drawing/point_cloud.h"

namespace vqt {
namespace {

using Json = nlohmann::ordered_json;

// Numbers of the glTF 2.0 specification.
constexpr int kPoints = 0, kFloat = 5126, kUnsignedShort = 5123, kVertices = 34962;
constexpr uint32_t kMagic = 0x46546C67, kVersion = 2, kJsonChunk = 0x4E4F534A, kBinaryChunk = 0x004E4942;

template <class Number>
void put(std::string& to, Number number) {
  to.append(reinterpret_cast<const char*>(&number), sizeof number);
}

// sRGB as in image files to linear light, of which 16 bits keep the dark shades apart.
std::array<uint16_t, 256> linear_light() {
  std::array<uint16_t, 256> table{};
  for (int i = 0; i < 256; ++i) {
    const double v = i / 255.0;
    table[i] = static_cast<uint16_t>(
        std::lround(65535 * (v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4))));
  }
  return table;
}

struct Vertices {
  std::string positions, colours;  // float32 x y z; uint16 red green blue alpha
  size_t count = 0;
  Json low, high;  // of the positions
};

Vertices vertices_of(const CloudFigure& figure, const std::vector<float>& points) {
  static const std::array<uint16_t, 256> kLinear = linear_light();
  Vertices v;
  std::array<float, 3> low{}, high{};
  for (size_t i = 0; i < points.size(); i += 3) {
    if (!finite_point(&points[i])) continue;
    for (size_t k = 0; k < 3; ++k) {
      put(v.positions, points[i + k]);
      put(v.colours, kLinear[figure.colours[i + k]]);
      low[k] = v.count == 0 ? points[i + k] : std::min(low[k], points[i + k]);
      high[k] = v.count == 0 ? points[i + k] : std::max(high[k], points[i + k]);
    }
    put(v.colours, uint16_t{65535});
    ++v.count;
  }
  v.low = low;
  v.high = high;
  return v;
}

void add_points(Json& gltf, const Vertices& v) {
  const size_t bytes = v.positions.size() + v.colours.size();
  gltf["buffers"] = Json::array({{{"byteLength", bytes}}});
  gltf["bufferViews"] = {
      {{"buffer", 0}, {"byteOffset", 0}, {"byteLength", v.positions.size()}, {"target", kVertices}},
      {{"buffer", 0},
       {"byteOffset", v.positions.size()},
       {"byteLength", v.colours.size()},
       {"target", kVertices}}};
  gltf["accessors"] = {{{"bufferView", 0},
                        {"componentType", kFloat},
                        {"count", v.count},
                        {"type", "VEC3"},
                        {"min", v.low},
                        {"max", v.high}},
                       {{"bufferView", 1},
                        {"componentType", kUnsignedShort},
                        {"normalized", true},
                        {"count", v.count},
                        {"type", "VEC4"}}};
  const Json primitive = {{"attributes", {{"POSITION", 0}, {"COLOR_0", 1}}}, {"mode", kPoints}};
  gltf["meshes"] = Json::array({{{"name", "points"}, {"primitives", Json::array({primitive})}}});
}

// Camera to world, column by column. glTF's cameras look along -z with y up, OpenCV's along z with y down.
Json matrix_of(const Pose& pose) {
  Json matrix = Json::array();
  const Quaternion to_world_axes = conjugate(pose.rotation);
  for (const Vec3& axis : {Vec3{1, 0, 0}, Vec3{0, -1, 0}, Vec3{0, 0, -1}}) {
    for (const double value : rotate(to_world_axes, axis)) matrix.push_back(value);
    matrix.push_back(0);
  }
  for (const double value : to_world(pose, {0, 0, 0})) matrix.push_back(value);
  matrix.push_back(1);
  return matrix;
}

// Each in its own list: a reference into an ordered object does not outlive a new key.
struct Cameras {
  Json cameras = Json::array(), nodes = Json::array();
};

void add_camera(Cameras& to, const SceneCamera& camera, const std::string& name) {
  const PinholeCamera& c = camera.camera;
  const double tall = static_cast<double>(c.height) / c.fy, wide = static_cast<double>(c.width) / c.fx;
  to.nodes.push_back({{"name", name}, {"camera", to.cameras.size()}, {"matrix", matrix_of(camera.pose)}});
  to.cameras.push_back(
      {{"type", "perspective"},
       {"perspective", {{"aspectRatio", wide / tall}, {"yfov", 2 * std::atan(tall / 2)}, {"znear", 0.01}}}});
}

void add_chunk(std::string& file, uint32_t type, std::string bytes, char padding) {
  bytes.resize((bytes.size() + 3) / 4 * 4, padding);
  put(file, static_cast<uint32_t>(bytes.size()));
  put(file, type);
  file += bytes;
}

}  // namespace

std::string glb_file(const CloudFigure& figure, const CloudFigure::Cloud& cloud) {
  const Vertices vertices = vertices_of(figure, cloud.points);
  // The root turns by 180 degrees about x.
  Json gltf = {{"asset", {{"version", "2.0"}, {"generator", "vqt-eval"}}},
               {"scene", 0},
               {"scenes", Json::array({{{"nodes", Json::array({0})}}})},
               {"nodes", Json::array({{{"name", cloud.name}, {"rotation", {1, 0, 0, 0}}}})}};
  if (vertices.count > 0) {  // glTF has no empty meshes
    add_points(gltf, vertices);
    gltf["nodes"].push_back({{"name", "points"}, {"mesh", 0}});
  }
  Cameras cameras;
  for (size_t i = 0; i < cloud.cameras.size(); ++i) {
    if (cloud.cameras[i].known) add_camera(cameras, cloud.cameras[i], figure.images[i]);
  }
  if (!cameras.cameras.empty()) gltf["cameras"] = cameras.cameras;
  Json& nodes = gltf["nodes"];
  nodes.insert(nodes.end(), cameras.nodes.begin(), cameras.nodes.end());
  for (size_t i = 1; i < nodes.size(); ++i) nodes[0]["children"].push_back(i);
  std::string chunks;
  add_chunk(chunks, kJsonChunk, gltf.dump(-1, ' ', false, Json::error_handler_t::replace), ' ');
  if (vertices.count > 0) add_chunk(chunks, kBinaryChunk, vertices.positions + vertices.colours, 0);
  std::string file;
  put(file, kMagic);
  put(file, kVersion);
  put(file, static_cast<uint32_t>(12 + chunks.size()));
  return file + chunks;
}

}  // namespace vqt
