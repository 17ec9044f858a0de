// What a model returned for a scene, one forward pass after the other, in a tensor file: between the
// processes of a run, and as a reference that later runs are scored against.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "loader/archive/tensor_file.h"
#include "vqt/outputs.h"

namespace vqt {

// The outputs of one forward pass: images [first, first + count).
struct ForwardOutputs {
  struct Tensor {
    std::string path, type;  // type as torch prints it: Float, BFloat16, Long
    std::vector<int64_t> shape;
    std::string name = {};  // in the file: number of the forward pass/path
  };
  int64_t first = 0, count = 0;
  std::vector<Tensor> tensors;

  const Tensor* find(const std::string& path) const;
};

class OutputsWriter {
 public:
  // passes: how many forward passes to expect, for the room kept for the header. Throws Error, as all of
  // these.
  explicit OutputsWriter(const std::string& path, size_t passes = 1);
  void append(const NamedTensors& outputs, int64_t first, int64_t count);
  void finish();

 private:
  TensorFileWriter file_;
  nlohmann::ordered_json passes_ = nlohmann::ordered_json::array();
};

class OutputsFile {
 public:
  explicit OutputsFile(const std::string& path);  // checks the header, reads no tensor
  const std::vector<ForwardOutputs>& passes() const { return passes_; }
  const nlohmann::ordered_json& about() const { return about_; }  // of save_outputs; else null

  at::Tensor read(const ForwardOutputs::Tensor& tensor) const;

 private:
  friend void save_outputs(const OutputsFile&, const nlohmann::ordered_json&, const std::string&);
  TensorFile file_;
  std::vector<ForwardOutputs> passes_;
  nlohmann::ordered_json about_;
};

// A copy that says what it is, written beside its place and renamed.
void save_outputs(const OutputsFile& file, const nlohmann::ordered_json& about, const std::string& path);

}  // namespace vqt
