// Memory of large blocks goes back to the system while a ScopedMallocTrim lives, and only then, and where the
// environment does not set malloc.
#include "vqt/scoped_malloc_trim.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

namespace vqt {
namespace {

constexpr size_t kLarge = size_t{8} << 20, kSmall = size_t{64} << 10;
constexpr int kBlocks = 24;  // 192 MiB in all

enum class Trim { kNone, kAlive, kEnded };

int64_t resident_mib() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    int64_t kib = 0;
    if (word == "VmRSS:" && status >> kib) return kib / 1024;
  }
  return -1;
}

void* touched(size_t bytes) { return std::memset(std::malloc(bytes), 1, bytes); }

// How much stays resident of large blocks that are freed while small ones between them are kept, as the
// temporaries and the packed weights of a model are.
int64_t mib_left(Trim wanted) {
  std::free(
      touched(size_t{30} << 20));  // glibc sees that large blocks are freed: it puts the next in the heap
  auto trim = wanted == Trim::kNone ? nullptr : std::make_unique<ScopedMallocTrim>();
  if (wanted == Trim::kEnded) trim.reset();
  const int64_t before = resident_mib();
  std::vector<void*> large, small;
  for (int i = 0; i < kBlocks; ++i) {
    large.push_back(touched(kLarge));
    small.push_back(touched(kSmall));
  }
  for (void* block : large) std::free(block);
  const int64_t left = resident_mib() - before;
  for (void* block : small) std::free(block);
  return left;
}

// In a process of its own, whose allocator has no holes of other sizes.
int64_t mib_left_of_child(Trim wanted, const char* variable = nullptr, const char* value = "") {
  int ends[2];
  if (::pipe(ends) != 0) return -1;
  const pid_t child = ::fork();
  if (child == 0) {
    if (variable != nullptr) ::setenv(variable, value, 1);  // too late for glibc, which reads it at the start
    const int64_t left = mib_left(wanted);
    ::_exit(::write(ends[1], &left, sizeof left) == sizeof left ? 0 : 1);
  }
  ::close(ends[1]);
  int64_t left = -1;
  if (::read(ends[0], &left, sizeof left) != sizeof left) left = -1;
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  return left;
}

TEST(ScopedMallocTrim, FreedBlocksLeaveTheProcess) {
#if !defined(__GLIBC__) || defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "another allocator than glibc's";
#endif
  const int64_t alive = mib_left_of_child(Trim::kAlive);
  EXPECT_GE(alive, 0);
  EXPECT_LT(alive, 16);
  EXPECT_GT(mib_left_of_child(Trim::kNone), 128);   // the reason for the class
  EXPECT_GT(mib_left_of_child(Trim::kEnded), 128);  // forward passes keep what they free
}

TEST(ScopedMallocTrim, LeavesWhatTheUserSet) {
#if !defined(__GLIBC__) || defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "another allocator than glibc's";
#endif
  EXPECT_GT(mib_left_of_child(Trim::kAlive, "MALLOC_MMAP_THRESHOLD_", "8388608"), 128);
  EXPECT_GT(mib_left_of_child(Trim::kAlive, "GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"), 128);
  EXPECT_LT(mib_left_of_child(Trim::kAlive, "GLIBC_TUNABLES", "glibc.cpu.x86_ibt=off"), 16);
  EXPECT_LT(mib_left_of_child(Trim::kAlive, "MY_MALLOC_", "1"), 16);
}

}  // namespace
}  // namespace vqt
