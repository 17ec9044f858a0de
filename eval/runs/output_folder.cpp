#include "eval/runs/output_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <stdexcept>

#include "eval/runs/process.h"
#include "vqt/error.h"

namespace vqt {
namespace fs = std::filesystem;

OutputFolder::OutputFolder(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) throw Error(fmt::format("{}: cannot create folder: {}", path, error.message()));
  lock_ = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  // On a file system without locks nothing is removed: it could belong to a run that is alive.
  if (lock_ < 0 || ::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    const bool taken = lock_ >= 0 && errno == EWOULDBLOCK;
    if (lock_ >= 0) ::close(lock_);
    lock_ = -1;
    if (taken) {
      throw Error(fmt::format(
          "--output-dir: {}: in use by another vqt-eval; wait for it or choose another folder", path));
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
