// The folder that results go to. Torch-free.
#pragma once

#include <string>

namespace vqt {

// Made where it is missing, and for one run at a time: what a killed run left of its temporary folders goes.
class OutputFolder {
 public:
  // Throws std::runtime_error: cannot be made; another run is at work in it.
  explicit OutputFolder(const std::string& path);
  ~OutputFolder();
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

 private:
  int lock_ = -1;
};

}  // namespace vqt
