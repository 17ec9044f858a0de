// Child processes. Torch-free.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace vqt {

// Starts this program again with arguments, followed by the number of a file descriptor that it may write
// lines to, each of which on_line gets; on_wait is called about twice a second. The child's stdout goes to
// stderr. It dies with this process and is killed when a signal comes or a callback throws. Returns its exit
// code, or 128 + the signal that ended it.
int run_self(const std::vector<std::string>& arguments,
             const std::function<void(const std::string&)>& on_line, const std::function<void()>& on_wait);

// A folder of its own, removed with everything in it when it goes out of scope.
class TempFolder {
 public:
  static constexpr const char* kPrefix = ".vqt-eval-";  // of its name
  explicit TempFolder(const std::string& parent);       // throws Error: parent cannot be written
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace vqt
