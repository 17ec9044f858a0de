// The folder that results go to. Torch-free.
#pragma once

#include <string>

namespace vqt {

// Created if missing, locked for one run; removes temporary folders that a killed run left.
class OutputFolder {
 public:
  // Throws Error: cannot create the folder; another run uses it.
  explicit OutputFolder(const std::string& path);
  ~OutputFolder();
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

 private:
  int lock_ = -1;
};

}  // namespace vqt
