// Exact reads at any offset of a file.
#include "loader/archive/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "vqt/error.h"

namespace vqt {

InputFile::InputFile(const std::string& path) : path_(path) {
  fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd_ < 0) throw Error(fmt::format("{}: cannot open it: {}", path, std::strerror(errno)));
  struct stat info = {};
  std::string problem;
  if (::fstat(fd_, &info) != 0) {
    problem = std::strerror(errno);
  } else if (S_ISDIR(info.st_mode)) {
    problem = "expected a file, this is a folder";
  } else if (!S_ISREG(info.st_mode)) {
    problem = "expected a regular file, this is a pipe or device";
  } else if (info.st_size == 0) {
    problem = "the file is empty";
  }
  if (!problem.empty()) {
    ::close(fd_);
    throw Error(fmt::format("{}: {}", path, problem));
  }
  size_ = static_cast<uint64_t>(info.st_size);
}

InputFile::InputFile(InputFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}

InputFile::~InputFile() {
  if (fd_ >= 0) ::close(fd_);
}

void InputFile::read(uint64_t offset, void* to, uint64_t bytes) const {
  if (offset > size_ || bytes > size_ - offset) {
    throw Error(fmt::format("{}: expected {} bytes at offset {}, the file has {} bytes in all", path_, bytes,
                            offset, size_));
  }
  uint64_t done = 0;
  while (done < bytes) {
    const uint64_t step = std::min<uint64_t>(bytes - done, uint64_t{1} << 30);
    const ssize_t got = ::pread(fd_, static_cast<char*>(to) + done, step, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      throw Error(fmt::format("{}: reading at offset {}: {}", path_, offset + done, std::strerror(errno)));
    }
    if (got == 0) {
      throw Error(fmt::format("{}: the file ended at offset {} while it was read; expected {} bytes", path_,
                              offset + done, size_));
    }
    done += static_cast<uint64_t>(got);
  }
}

std::vector<uint8_t> InputFile::read(uint64_t offset, uint64_t bytes) const {
  if (offset > size_ || bytes > size_ - offset)
    read(offset, nullptr, bytes);  // throws before anything is allocated
  std::vector<uint8_t> out(bytes);
  read(offset, out.data(), bytes);
  return out;
}

}  // namespace vqt
