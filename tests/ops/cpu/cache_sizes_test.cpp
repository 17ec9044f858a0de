#include "cpu/cache_sizes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

namespace vqt::cpu {
namespace {

std::string error_of(const char* l2, const char* l3) {
  try {
    cache_sizes_from(l2, l3, 1 << 20, 1 << 25);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "no error";
}

TEST(CacheSizes, TheSystemsAnswerCounts) {
  const CacheSizes sizes = cache_sizes_from(nullptr, nullptr, 512 << 10, 32 << 20);
  EXPECT_EQ(sizes.l2, 512 << 10);
  EXPECT_EQ(sizes.l3, 32 << 20);
}

TEST(CacheSizes, AnAnswerOfNothingLeavesTheDefaults) {
  for (const int64_t nothing : {0, -1}) {
    const CacheSizes sizes = cache_sizes_from(nullptr, nullptr, nothing, nothing);
    EXPECT_EQ(sizes.l2, 1 << 20);
    EXPECT_EQ(sizes.l3, 16 << 20);
  }
}

TEST(CacheSizes, VariablesComeFirst) {
  const CacheSizes sizes = cache_sizes_from("262144", "", 1 << 20, 32 << 20);
  EXPECT_EQ(sizes.l2, 262144);
  EXPECT_EQ(sizes.l3, 32 << 20);
  EXPECT_EQ(cache_sizes_from(nullptr, "65536", 0, 0).l3, 65536);
}

TEST(CacheSizes, AVariableThatIsNoSizeIsRefused) {
  for (const char* text : {"1 MB", "-65536", "65535", "x", "99999999999999999999"}) {
    const std::string rest = std::string(": expected a number of bytes, 65536 or more, got \"") + text + "\"";
    EXPECT_EQ(error_of(text, nullptr), "VQT_L2_BYTES" + rest);
    EXPECT_EQ(error_of(nullptr, text), "VQT_L3_BYTES" + rest);
  }
}

TEST(CacheSizes, MayBeOverriddenInTests) {
  const CacheSizes before = cache_sizes();
  EXPECT_GE(before.l2, 65536);
  set_cache_sizes_for_testing({128 << 10, 1 << 20});
  EXPECT_EQ(cache_sizes().l2, 128 << 10);
  EXPECT_EQ(cache_sizes().l3, 1 << 20);
  reset_cache_sizes_for_testing();
  EXPECT_EQ(cache_sizes().l2, before.l2);
  EXPECT_EQ(cache_sizes().l3, before.l3);
}

}  // namespace
}  // namespace vqt::cpu
