// What a model returned for a scene, one forward after the other, in a file: between the processes of a run,
// and as a reference that later runs are scored against.
#pragma once

#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "vqt/outputs.h"

namespace vqt {

// The outputs of one forward: pictures [first, first + count).
struct ForwardOutputs {
  struct Tensor {
    std::string path, type;  // type as torch prints it: Float, BFloat16, Long
    std::vector<int64_t> shape;
    uint64_t offset = 0, bytes = 0;
    uint32_t crc32 = 0;
  };
  int64_t first = 0, count = 0;
  std::vector<Tensor> tensors;

  const Tensor* find(const std::string& path) const;
};

// vqtfwd01 | tensors, row-major | index, JSON | offset of the index, uint64 | bytes of it, uint64 | vqtfwd01
class ForwardsWriter {
 public:
  explicit ForwardsWriter(const std::string& path);  // throws Error, as all of these
  void append(const NamedTensors& outputs, int64_t first, int64_t count);
  void finish();

 private:
  void write(const void* data, uint64_t bytes);

  std::string path_;
  std::ofstream file_;
  uint64_t size_ = 0;
  std::vector<ForwardOutputs> forwards_;
};

class ForwardsFile {
 public:
  explicit ForwardsFile(const std::string& path);  // checks the index, reads no tensor
  const std::vector<ForwardOutputs>& forwards() const { return forwards_; }
  const nlohmann::ordered_json& about() const { return about_; }  // of save_forwards; else null

  at::Tensor read(const ForwardOutputs::Tensor& tensor) const;

 private:
  friend void save_forwards(const ForwardsFile&, const nlohmann::ordered_json&, const std::string&);
  std::string path_;
  mutable std::ifstream file_;
  uint64_t index_offset_ = 0;
  std::vector<ForwardOutputs> forwards_;
  nlohmann::ordered_json about_;
};

// A copy that says what it is, written beside its place and renamed.
void save_forwards(const ForwardsFile& forwards, const nlohmann::ordered_json& about,
                   const std::string& path);

}  // namespace vqt
