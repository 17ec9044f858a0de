// A file opened for reading at any offset: reads are exact or they throw. Torch-free.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vqt {

class InputFile {
 public:
  // Throws Error: missing, a directory, no permission, empty.
  explicit InputFile(const std::string& path);
  ~InputFile();
  InputFile(InputFile&& other) noexcept;
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  const std::string& path() const { return path_; }
  uint64_t size() const { return size_; }
  // Fills exactly `bytes` bytes; throws Error where the file ends before.
  void read(uint64_t offset, void* to, uint64_t bytes) const;
  std::vector<uint8_t> read(uint64_t offset, uint64_t bytes) const;

 private:
  std::string path_;
  int fd_ = -1;
  uint64_t size_ = 0;
};

}  // namespace vqt
