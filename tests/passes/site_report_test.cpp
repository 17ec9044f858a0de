#include "vqt/site_report.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <tuple>

namespace vqt {
namespace {

struct FieldCounter {
  std::set<std::string> names;
  int members = 0;

  void operator()(const char* name, int64_t SiteReport::*, int64_t SiteReport::*) {
    names.insert(name);
    members += 2;
  }
  template <class T>
  void operator()(const char* name, T SiteReport::*, InJson) {
    names.insert(name);
    ++members;
  }
};

TEST(SiteReport, EveryMemberIsInTheListOfFields) {
  FieldCounter counter;
  visit_site_fields(counter);
  // As many names as the struct has members: one more member, and this line does not compile.
  const auto [a, b, c, d, e, f, g, h, i, j, k, l, m, n] = SiteReport();
  (void)std::tie(a, b, c, d, e, f, g, h, i, j, k, l, m, n);
  EXPECT_EQ(counter.members, 14);
  EXPECT_EQ(counter.names.size(), 13u);  // n and k are one: shape
}

}  // namespace
}  // namespace vqt
