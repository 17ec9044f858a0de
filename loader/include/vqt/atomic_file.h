// A file written beside its place and renamed: readers see the old one or the new one,
// never a half. Torch-free.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace vqt {

class AtomicFile {
 public:
  // Opens a temporary file in path's folder (of the file a link leads to). Throws Error.
  explicit AtomicFile(const std::string& path);
  ~AtomicFile();  // without commit(): removes the temporary file
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  const std::string& temporary_path() const { return temporary_; }
  uint64_t size() const { return size_; }
  // The first failure (disk full) is remembered and thrown by check() and commit(); later bytes are dropped.
  // For callers that cannot be unwound, as torch's zip writer.
  void append(const void* data, size_t bytes) noexcept;
  void append(std::string_view text) noexcept { append(text.data(), text.size()); }
  void check() const;             // throws Error
  void truncate(uint64_t bytes);  // throws Error
  void commit();                  // flushes to the disk, renames. Throws Error

 private:
  std::string target_, temporary_;
  int fd_ = -1, slot_ = -1, error_ = 0;
  uint64_t size_ = 0;
};

// Throws Error where AtomicFile could not write `bytes` to path now: no folder, no permission, path is a folder,
// no room. For programs, before they work for an hour. Leaves nothing behind.
void try_output(const std::string& path, uint64_t bytes = 0);

// errno's text; of a full disk also how much is free and where. For errors of writing to path.
std::string write_failure(const std::string& path, int error);

// SIGINT, SIGTERM and SIGHUP remove unfinished files and then end the process as they would have. For mains.
void remove_unfinished_files_on_signals();

}  // namespace vqt
