// What is free by made-up /proc and /sys/fs/cgroup.
#include "loader/forecast/free_memory.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace vqt {
namespace {

namespace fs = std::filesystem;

class FreeMemory : public testing::Test {
 protected:
  FreeMemory() {
    std::string pattern = (fs::temp_directory_path() / "free_memory_XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
  }
  ~FreeMemory() override { fs::remove_all(root_); }
  void write(const std::string& file, const std::string& text) const {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }
  int64_t free() const { return free_memory_bytes((root_ / "proc").string(), (root_ / "cgroup").string()); }

 private:
  fs::path root_;
};

TEST_F(FreeMemory, NothingIsKnown) { EXPECT_EQ(free(), kUnknownMemory); }

TEST_F(FreeMemory, TheMachinesWithoutGroups) {
  write("proc/meminfo", "MemTotal:  9000 kB\nMemFree: 100 kB\nMemAvailable:    2000 kB\n");
  EXPECT_EQ(free(), 2000 * 1024);
  write("proc/meminfo", "MemAvailable: 2000 kB\nSwapTotal: 900 kB\nSwapFree: 500 kB\n");
  EXPECT_EQ(free(), 2500 * 1024);
}

TEST_F(FreeMemory, V2CountsEveryGroupAboveAndGivesCachesBack) {
  write("proc/meminfo", "MemAvailable: 2000 kB\n");
  write("proc/self/cgroup", "0::/user/job\n");
  write("cgroup/user/job/memory.max", "max\n");
  write("cgroup/user/job/memory.current", "5000\n");
  EXPECT_EQ(free(), 2000 * 1024);
  write("cgroup/user/memory.max", "1000000\n");
  write("cgroup/user/memory.current", "900000\n");
  EXPECT_EQ(free(), 100000);
  write("cgroup/user/memory.stat", "anon 1\ninactive_file 50000\nactive_file 7000\n");
  EXPECT_EQ(free(), 157000);
  write("cgroup/user/job/memory.max", "4000\n");  // less than it uses
  EXPECT_EQ(free(), 0);
}

TEST_F(FreeMemory, V1OfTheGroupAndOfAContainersRoot) {
  write("proc/meminfo", "MemAvailable: 2000 kB\n");
  write("proc/self/cgroup", "5:cpu:/docker/ab\n4:memory:/docker/ab\n");
  write("cgroup/memory/memory.limit_in_bytes", "800000\n");
  write("cgroup/memory/memory.usage_in_bytes", "300000\n");
  write("cgroup/memory/memory.stat", "active_file 9\ntotal_inactive_file 10\ntotal_active_file 300\n");
  EXPECT_EQ(free(), 500310);
  write("cgroup/memory/docker/ab/memory.limit_in_bytes", "400000\n");
  write("cgroup/memory/docker/ab/memory.usage_in_bytes", "100000\n");
  EXPECT_EQ(free(), 300000);
}

}  // namespace
}  // namespace vqt
