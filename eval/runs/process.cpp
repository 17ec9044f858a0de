#include "eval/runs/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>

#include "loader/cli/interrupts.h"
#include "vqt/error.h"

namespace vqt {
namespace {

// Kills and reaps the child unless it was waited for.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  ~Child() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  int wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) cli::throw_if_interrupted();
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  pid_t pid_;
};

struct Descriptor {
  int fd;
  ~Descriptor() { ::close(fd); }
};

}  // namespace

int run_self(const std::vector<std::string>& arguments,
             const std::function<void(const std::string&)>& on_line, const std::function<void()>& on_wait) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    throw Error(fmt::format("cannot create a pipe: {}", std::strerror(errno)));
  Descriptor read_end{ends[0]};
  std::string program = "/proc/self/exe", write_fd = std::to_string(ends[1]);
  std::vector<std::string> words = {"vqt-eval"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  words.push_back(write_fd);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) {
    ::close(ends[1]);
    throw Error(fmt::format("cannot start a process: {}", std::strerror(errno)));
  }
  if (pid == 0) {  // only async-signal-safe calls between fork and exec
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    ::fcntl(ends[1], F_SETFD, 0);
    ::dup2(STDERR_FILENO, STDOUT_FILENO);  // a model that prints must not print into our result
    ::execv(program.c_str(), argv.data());
    ::_exit(127);
  }
  Child child(pid);
  ::close(ends[1]);
  std::string pending;
  for (bool open = true; open;) {
    cli::throw_if_interrupted();
    pollfd waiting{read_end.fd, POLLIN, 0};
    const int ready = ::poll(&waiting, 1, 500);
    if (ready == 0) on_wait();
    if (ready <= 0) continue;
    char buffer[4096];
    const ssize_t got = ::read(read_end.fd, buffer, sizeof buffer);
    if (got <= 0) open = got < 0 && errno == EINTR;
    if (got <= 0) continue;
    pending.append(buffer, static_cast<size_t>(got));
    for (size_t end; (end = pending.find('\n')) != std::string::npos; pending.erase(0, end + 1)) {
      on_line(pending.substr(0, end));
    }
  }
  const int code = child.wait();
  cli::throw_if_interrupted();
  if (code == 128 + SIGINT)
    throw cli::Interrupted(SIGINT);  // Ctrl-C reaches the child too, and may end it first
  return code;
}

TempFolder::TempFolder(const std::string& parent) : path_(parent + "/" + kPrefix + "XXXXXX") {
  if (::mkdtemp(path_.data()) == nullptr) {
    throw Error(fmt::format("{}: cannot be written: {}", parent, std::strerror(errno)));
  }
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace vqt
