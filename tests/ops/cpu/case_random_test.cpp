#include "tests/case_random.h"

#include <set>

namespace vqt {
namespace {

// By hand from the definition of FNV-1a: offset basis, and the published hashes of "a" and "foobar".
TEST(StableHash, IsFnv1a) {
  const auto folded = [](uint64_t hash) { return static_cast<uint32_t>(hash ^ hash >> 32); };
  StableHash empty, letter, word;
  EXPECT_EQ(empty.value(), folded(0xcbf29ce484222325u));
  letter.add(static_cast<uint8_t>('a'));
  EXPECT_EQ(letter.value(), folded(0xaf63dc4c8601ec8cu));
  for (const char c : std::string("foobar")) word.add(static_cast<uint8_t>(c));
  EXPECT_EQ(word.value(), folded(0x85944171f73967e8u));
}

TEST(CaseRandom, IsTheSameWhateverRanBefore) {
  const uint32_t first = CaseRandom({3, 40, 7})();
  CaseRandom other({3, 40, 8});
  for (int i = 0; i < 1000; ++i) other();
  EXPECT_EQ(CaseRandom({3, 40, 7})(), first);
}

TEST(CaseRandom, EachCaseHasASeedOfItsOwn) {
  std::set<uint32_t> seeds;
  for (int64_t m = 0; m < 20; ++m) {
    for (int64_t n = 0; n < 20; ++n) seeds.insert(CaseRandom({m, n}).seed());
  }
  EXPECT_EQ(seeds.size(), 400u);
}

TEST(CaseRandom, TheSeedDependsOnTheTest) {
  StableHash hash;
  hash.add(std::string("CaseRandom.TheSeedDependsOnTheTest"));
  hash.add(int64_t{5});
  EXPECT_EQ(CaseRandom({5}).seed(), hash.value());
}

}  // namespace
}  // namespace vqt
