// Temporary file, fsync, rename; unfinished ones are removed even when a signal ends the process.
#include "vqt/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>

#include "vqt/error.h"

namespace vqt {
namespace {

namespace fs = std::filesystem;

// What a signal handler may touch: fixed memory, no locks.
struct Slot {
  std::atomic<bool> taken{false};
  std::atomic<bool> armed{false};
  char path[4096] = {};
};
Slot slots[16];

int take_slot(const std::string& path) {
  for (int i = 0; i < 16; ++i) {
    bool free = false;
    if (path.size() >= sizeof slots[i].path || !slots[i].taken.compare_exchange_strong(free, true)) continue;
    std::memcpy(slots[i].path, path.c_str(), path.size() + 1);
    slots[i].armed = true;
    return i;
  }
  return -1;  // too many at once: that file is removed by its destructor alone
}

void release_slot(int slot) {
  if (slot < 0) return;
  slots[slot].armed = false;
  slots[slot].taken = false;
}

void remove_and_die(int signal) {
  for (Slot& slot : slots) {
    if (slot.armed) ::unlink(slot.path);
  }
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

[[noreturn]] void fail(const std::string& path, const std::string& what, int error) {
  throw Error(fmt::format("{}: {}: {}", path, what, write_failure(path, error)));
}

std::string folder_of(const std::string& path) {
  return fs::path(path).has_parent_path() ? fs::path(path).parent_path().string() : ".";
}

// Unset where the file system does not say.
std::optional<uint64_t> free_bytes(const std::string& folder) {
  struct statvfs system = {};
  if (::statvfs(folder.c_str(), &system) != 0 || system.f_blocks == 0) return {};
  return uint64_t{system.f_bfree} * system.f_frsize;
}

}  // namespace

std::string write_failure(const std::string& path, int error) {
  const std::string text = std::strerror(error);
  if (error != ENOSPC && error != EDQUOT) return text;
  const std::optional<uint64_t> free = free_bytes(folder_of(path));
  return free ? fmt::format("{} ({} bytes are free in {})", text, *free, folder_of(path)) : text;
}

void try_output(const std::string& path, uint64_t bytes) {
  AtomicFile probe(path);
  const std::string folder = folder_of(probe.temporary_path());
  const std::optional<uint64_t> free = free_bytes(folder);
  if (free && *free < bytes)
    throw Error(
        fmt::format("{}: about {} bytes are to be written, {} are free in {}", path, bytes, *free, folder));
  probe.append("\0", 1);
  probe.check();
}

AtomicFile::AtomicFile(const std::string& path) : target_(path) {
  std::error_code ignored;
  if (fs::is_symlink(path, ignored) && fs::exists(path, ignored)) target_ = fs::canonical(path).string();
  const fs::file_status status = fs::status(target_, ignored);
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    throw Error(
        fmt::format("{}: cannot be replaced: {}", path,
                    fs::is_directory(status) ? "it is a folder, expected a file" : "not a regular file"));
  }
  const std::string folder = folder_of(target_);
  if (!fs::exists(folder, ignored))
    throw Error(fmt::format("{}: the folder {} does not exist", path, folder));
  if (!fs::is_directory(folder, ignored)) throw Error(fmt::format("{}: {} is not a folder", path, folder));
  temporary_ = target_ + ".unfinished-XXXXXX";
  fd_ = ::mkostemp(temporary_.data(), O_CLOEXEC);
  if (fd_ < 0) fail(path, fmt::format("cannot write in the folder {}", folder), errno);
  slot_ = take_slot(temporary_);
  struct stat old = {};
  const mode_t mask = ::umask(0);
  ::umask(mask);
  const mode_t mode = ::stat(target_.c_str(), &old) == 0 ? (old.st_mode & 0777) : (0666 & ~mask);
  if (::fchmod(fd_, mode) != 0) error_ = errno;
}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(temporary_.c_str());
  release_slot(slot_);
}

void AtomicFile::append(const void* data, size_t bytes) noexcept {
  const char* at = static_cast<const char*>(data);
  while (bytes > 0 && error_ == 0) {
    const ssize_t written = ::write(fd_, at, std::min(bytes, size_t{1} << 30));
    if (written < 0) {
      if (errno != EINTR) error_ = errno;
      continue;
    }
    at += written;
    bytes -= static_cast<size_t>(written);
    size_ += static_cast<uint64_t>(written);
  }
}

void AtomicFile::check() const {
  if (error_ != 0) fail(target_, fmt::format("writing failed after {} bytes", size_), error_);
}

void AtomicFile::truncate(uint64_t bytes) {
  check();
  if (::ftruncate(fd_, static_cast<off_t>(bytes)) != 0 ||
      ::lseek(fd_, static_cast<off_t>(bytes), SEEK_SET) < 0) {
    fail(target_, "cannot shorten the file being written", errno);
  }
  size_ = bytes;
}

void AtomicFile::commit() {
  check();
  if (::fsync(fd_) != 0) fail(target_, "cannot flush it to the disk", errno);
  if (::rename(temporary_.c_str(), target_.c_str()) != 0)
    fail(target_, "cannot put the finished file in place", errno);
  release_slot(slot_);
  ::close(fd_);
  fd_ = -1;
  const int folder_fd = ::open(folder_of(target_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder_fd < 0) return;
  ::fsync(folder_fd);  // so that the rename survives a power cut; the file itself is already whole
  ::close(folder_fd);
}

void remove_unfinished_files_on_signals() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction action = {};
    ::sigaction(signal, nullptr, &action);
    if (action.sa_handler == SIG_IGN) continue;  // nohup and the like
    action.sa_handler = remove_and_die;
    ::sigaction(signal, &action, nullptr);
  }
}

}  // namespace vqt
