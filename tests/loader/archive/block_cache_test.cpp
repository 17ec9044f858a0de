// Large blocks are kept for the next of about the size, and never more than was needed at once.
#include "loader/archive/block_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace vqt {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

int64_t resident_mib() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    int64_t kib = 0;
    if (word == "VmRSS:" && status >> kib) return kib / 1024;
  }
  return -1;
}

TEST(BlockCache, AFreedBlockIsTheNextOfItsSize) {
  BlockCache cache;
  char* const block = static_cast<char*>(cache.allocate(8 * kMiB));
  block[0] = 1;
  block[8 * kMiB - 1] = 2;
  EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % 4096, 0u);
  ASSERT_TRUE(cache.free(block));
  EXPECT_EQ(cache.used(), 0u);
  EXPECT_EQ(cache.held(), 8 * kMiB);
  EXPECT_EQ(cache.allocate(8 * kMiB - 100), block);
  EXPECT_EQ(cache.used(), 8 * kMiB);
}

TEST(BlockCache, AMuchLargerBlockIsNotGiven) {
  BlockCache cache;
  void* const large = cache.allocate(9 * kMiB);
  void* const keeps_the_peak = cache.allocate(64 * kMiB);
  cache.free(large);
  cache.free(keeps_the_peak);
  EXPECT_EQ(cache.allocate(8 * kMiB), large);            // an eighth larger
  EXPECT_NE(cache.allocate(56 * kMiB), keeps_the_peak);  // more
}

TEST(BlockCache, OfSeveralTheSmallestFreedLast) {
  BlockCache cache;
  void* const a = cache.allocate(8 * kMiB);
  void* const b = cache.allocate(8 * kMiB);
  void* const larger = cache.allocate(8 * kMiB + 4096);
  for (void* block : {b, a, larger}) cache.free(block);
  EXPECT_EQ(cache.allocate(8 * kMiB), a);
  EXPECT_EQ(cache.allocate(8 * kMiB), b);
  EXPECT_EQ(cache.allocate(8 * kMiB), larger);
}

// What a heap cannot do: twelve blocks of 8 MiB make room for one of 76.
TEST(BlockCache, KeptBlocksGoBackBeforeMoreIsHeldThanWasUsedAtOnce) {
  BlockCache cache;
  std::vector<void*> small;
  for (int i = 0; i < 12; ++i) small.push_back(std::memset(cache.allocate(8 * kMiB), 1, 8 * kMiB));
  for (void* block : small) cache.free(block);
  EXPECT_EQ(cache.held(), 96 * kMiB);
  const int64_t before = resident_mib();
  cache.allocate(20 * kMiB);
  EXPECT_EQ(cache.held(), (20 + 9 * 8) * kMiB);
  EXPECT_NEAR(before - resident_mib(), 3 * 8, 2);
  cache.allocate(76 * kMiB);
  EXPECT_EQ(cache.held(), 96 * kMiB);
  EXPECT_NEAR(before - resident_mib(), 12 * 8, 2);
}

// Of blocks that are alike the oldest goes.
TEST(BlockCache, TheOldestGoesFirst) {
  BlockCache cache;
  std::vector<void*> blocks;
  for (int i = 0; i < 3; ++i) blocks.push_back(cache.allocate(8 * kMiB));
  for (int i : {1, 0, 2}) cache.free(blocks[i]);
  cache.allocate(16 * kMiB);  // two go
  EXPECT_EQ(cache.allocate(8 * kMiB), blocks[2]);
}

TEST(BlockCache, OthersBlocksAreNotFreed) {
  BlockCache cache, other;
  void* const block = other.allocate(kMiB);
  int local = 0;
  EXPECT_FALSE(cache.free(block));
  EXPECT_FALSE(cache.free(&local));
  EXPECT_FALSE(cache.free(nullptr));
}

TEST(BlockCache, NoMemoryIsNull) {
  BlockCache cache;
  EXPECT_EQ(cache.allocate(size_t{1} << 62), nullptr);
  EXPECT_EQ(cache.allocate(~size_t{0}), nullptr);
  EXPECT_EQ(cache.allocate(~size_t{0} - 4096), nullptr);
  EXPECT_EQ(cache.used(), 0u);
}

// Each thread fills its blocks with a value of its own and finds it there: none is given twice.
TEST(BlockCache, ThreadsShareIt) {
  BlockCache cache;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&cache, t] {
      std::mt19937 random(t);
      std::vector<std::pair<unsigned char*, size_t>> blocks;
      for (int step = 0; step < 300; ++step) {
        const size_t bytes = kMiB + random() % (2 * kMiB);
        blocks.emplace_back(static_cast<unsigned char*>(cache.allocate(bytes)), bytes);
        std::memset(blocks.back().first, t + 1, bytes);
        if (blocks.size() < 4) continue;
        std::swap(blocks[random() % 4], blocks.back());
        const auto [block, size] = blocks.back();
        EXPECT_EQ(block[0], t + 1);
        EXPECT_EQ(block[size - 1], t + 1);
        EXPECT_TRUE(cache.free(block));
        blocks.pop_back();
      }
      for (const auto& block : blocks) cache.free(block.first);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(cache.used(), 0u);
  EXPECT_LE(cache.held(), size_t{4} * 4 * 4 * kMiB);
}

}  // namespace
}  // namespace vqt
