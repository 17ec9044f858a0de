#include "loader/cli/load_library.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <linux/limits.h>
#include <torch/headeronly/version.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <regex>

#include "vqt/archive.h"
#include "vqt/error_text.h"

namespace vqt::cli {
namespace {
namespace fs = std::filesystem;

constexpr const char* kFlag = "--load-library";

// "", or why it cannot be loaded. Symbols are for the libraries that come after it, too.
std::string open(const std::string& name, int when) {
  if (::dlopen(name.c_str(), when | RTLD_GLOBAL)) return "";
  const std::string why = ::dlerror();
  return why.rfind(name + ": ", 0) == 0 ? why.substr(name.size() + 2) : why;
}

// The file being loaded. What it throws then (torch refuses an operator that is already there) ends the process, as no
// exception passes through the dynamic loader; the handler says which file it was.
std::string& loading() {
  static std::string file;
  return file;
}

[[noreturn]] void explain_and_exit() {
  try {
    if (const std::exception_ptr thrown = std::current_exception()) std::rethrow_exception(thrown);
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}: error: {} {}: cannot be loaded: {}\n", program_invocation_short_name, kFlag,
               loading(), error_text(e));
    std::_Exit(1);
  } catch (...) {
  }
  std::abort();
}

// The folder of the torch that this program runs on.
fs::path torch_folder() {
  std::array<char, PATH_MAX> folder{};
  void* torch = ::dlopen("libtorch_cpu.so", RTLD_LAZY | RTLD_NOLOAD);
  if (!torch || ::dlinfo(torch, RTLD_DI_ORIGIN, folder.data()) != 0) return {};
  return folder.data();
}

// libtorch_python.so takes Python's symbols from the interpreter; here from its library, of the version whose
// site-packages hold torch.
void load_python(const fs::path& torch) {
  std::smatch version;
  const std::string path = torch.string();
  if (std::regex_search(path, version, std::regex("/python(3\\.[0-9]+)/")))
    open(fmt::format("libpython{}.so.1.0", version[1].str()), RTLD_LAZY);
}

// Loads the library of torch that `why` says is missing. Libraries built for Python leave it to `import torch` to
// have loaded those.
bool load_missing(const std::string& why) {
  std::smatch missing;
  if (!std::regex_match(why, missing, std::regex("(lib[^/:]+): cannot open shared object file.*")))
    return false;
  const fs::path torch = torch_folder(), file = torch / missing[1].str();
  if (torch.empty() || !fs::exists(file)) return false;
  if (missing[1] == "libtorch_python.so") load_python(torch);
  return open(file.string(), RTLD_LAZY).empty();
}

std::string advice(const std::string& why) {
  if (why.find("libtorch_python.so") != std::string::npos ||
      why.find("undefined symbol: Py") != std::string::npos ||
      why.find("undefined symbol: _Py") != std::string::npos)
    return "; it is built for Python, whose library (libpython3.*.so) is not found here: add its folder to "
           "LD_LIBRARY_PATH, or quantize in Python";
  if (why.find("undefined symbol") != std::string::npos)
    return fmt::format(
        "; it needs another library before it ({} may be repeated), or was built for another torch than {}, "
        "which this program runs on",
        kFlag, TORCH_VERSION);
  return "";
}

void load(const std::string& file) {
  std::error_code ignored;
  if (!fs::exists(file, ignored)) throw Error(fmt::format("{} {}: no such file", kFlag, file));
  if (!fs::is_regular_file(file, ignored))
    throw Error(fmt::format("{} {}: expected a shared library (.so), this is no regular file", kFlag, file));
  const std::string path = fs::absolute(file).string();  // a bare name would be looked for elsewhere
  std::string why = open(path, RTLD_NOW);
  while (!why.empty() && load_missing(why)) why = open(path, RTLD_NOW);
  if (!why.empty()) throw Error(fmt::format("{} {}: cannot be loaded: {}{}", kFlag, file, why, advice(why)));
}

}  // namespace

void add_library_flag(Flags& flags, std::vector<std::string>& files) {
  flags.repeated(kFlag, files, {"FILE", "the path of a shared library"},
                 "shared library (.so) of operators that the model calls, such as torchvision's _C.so");
}

void load_libraries(const std::vector<std::string>& files) {
  const std::terminate_handler before = std::set_terminate(explain_and_exit);
  for (const std::string& file : files) load(loading() = file);
  std::set_terminate(before);
}

std::string message_of(const std::exception& e) {
  const bool unknown = dynamic_cast<const UnknownOperatorError*>(&e) != nullptr;
  return error_text(e) + (unknown ? fmt::format(": give it with {} FILE", kFlag) : "");
}

}  // namespace vqt::cli
