// What a file is that is given where a model or its inputs are expected. Torch-free.
#pragma once

#include <string>

#include "loader/archive/file.h"

namespace vqt {

struct FileKind {
  std::string what;  // "an ONNX model"; "": a zip, which its records tell, or nothing known
  std::string step;  // what to do, whatever was expected; "": depends on that
};

// By its first bytes.
FileKind file_kind(const InputFile& file);

// How a model becomes a TorchScript file: a sentence for errors.
inline constexpr const char* kHowToExport =
    "Write a TorchScript file from the model in Python first: torch.jit.script(model).save(path), or "
    "torch.jit.trace(model, example).save(path); for VGGT examples/vggt/export.py";

// What torch.save wrote into data.pkl: "a module of the class models.Net", "a tensor", "weights without a program".
std::string pickle_kind(const std::string& pickle);

}  // namespace vqt
