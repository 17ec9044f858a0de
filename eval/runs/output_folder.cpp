#include "eval/runs/output_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <stdexcept>

#include "eval/runs/process.h"

namespace vqt {
namespace fs = std::filesystem;

OutputFolder::OutputFolder(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) throw std::runtime_error(fmt::format("{}: cannot be made: {}", path, error.message()));
  lock_ = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  // A file system without locks is used all the same, but nothing in it is taken for a dead run's.
  if (lock_ < 0 || ::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    const bool taken = lock_ >= 0 && errno == EWOULDBLOCK;
    if (lock_ >= 0) ::close(lock_);
    lock_ = -1;
    if (taken) {
      throw std::runtime_error(fmt::format(
          "--output_dir: {}: another vqt-eval is at work in it; wait for it or choose another folder", path));
    }
    return;
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(path, error)) {
    if (entry.path().filename().string().rfind(TempFolder::kPrefix, 0) == 0)
      fs::remove_all(entry.path(), error);
  }
}

OutputFolder::~OutputFolder() {
  if (lock_ >= 0) ::close(lock_);
}

}  // namespace vqt
