// The random numbers of one case of a test. Their seed is a hash of the test's name and the case's own
// parameters, so a case draws the same numbers alone, among others and in any order. A failure prints the
// seed; VQT_TEST_SEED=<seed> leaves out every other case that asks left_out().
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <random>
#include <string>

namespace vqt {

// FNV-1a: the same on every platform, unlike std::hash.
class StableHash {
 public:
  void add(uint8_t byte) { state_ = (state_ ^ byte) * 1099511628211u; }
  void add(const std::string& text) {
    for (const char c : text) add(static_cast<uint8_t>(c));
    add(uint8_t{0});
  }
  void add(int64_t value) {
    for (int shift = 0; shift < 64; shift += 8)
      add(static_cast<uint8_t>(static_cast<uint64_t>(value) >> shift));
  }
  uint32_t value() const { return static_cast<uint32_t>(state_ ^ state_ >> 32); }

 private:
  uint64_t state_ = 14695981039346656037u;
};

// The one case that VQT_TEST_SEED asks for. A seed that no case has fails the run.
class OnlyCase : public testing::Environment {
 public:
  static OnlyCase& get() {
    static auto* environment = static_cast<OnlyCase*>(testing::AddGlobalTestEnvironment(new OnlyCase));
    return *environment;
  }
  bool leaves_out(uint32_t seed) {
    if (text_ == nullptr) return false;
    const bool wanted = std::to_string(seed) == text_;
    found_ |= wanted;
    return !wanted;
  }
  void TearDown() override {
    if (text_ != nullptr && !found_) ADD_FAILURE() << "no case has VQT_TEST_SEED " << text_;
  }

 private:
  const char* text_ = std::getenv("VQT_TEST_SEED");
  bool found_ = false;
};
inline OnlyCase& only_case = OnlyCase::get();

class CaseRandom : public std::mt19937 {
 public:
  explicit CaseRandom(std::initializer_list<int64_t> parameters)
      : std::mt19937(seed_of(parameters)),
        seed_(seed_of(parameters)),
        trace_(__FILE__, __LINE__, "this case alone: VQT_TEST_SEED=" + std::to_string(seed_)) {}

  uint32_t seed() const { return seed_; }
  bool left_out() const { return only_case.leaves_out(seed_); }

 private:
  static uint32_t seed_of(std::initializer_list<int64_t> parameters) {
    StableHash hash;
    if (const auto* test = testing::UnitTest::GetInstance()->current_test_info()) {
      hash.add(std::string(test->test_suite_name()) + "." + test->name());
    }
    for (const int64_t parameter : parameters) hash.add(parameter);
    return hash.value();
  }

  uint32_t seed_;
  testing::ScopedTrace trace_;
};

}  // namespace vqt
