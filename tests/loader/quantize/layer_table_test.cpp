#include "loader/quantize/layer_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vqt::cli {
namespace {

using ::testing::HasSubstr;

SiteReport kept(const std::string& name, const std::string& reason) {
  SiteReport site;
  site.name = name;
  site.action = "float";
  site.reason = reason;
  return site;
}

TEST(Summary, JoinsLayersWhoseReasonsDifferInTheirOwnNameAlone) {
  const std::string text = summary({kept("a.b", "also used by aten::mm in method forward of a.b"),
                                    kept("a.c", "also used by aten::mm in method forward of a.c"),
                                    kept("a.d", "also used by aten::mm in method forward of a.dd")});
  EXPECT_THAT(text, HasSubstr("2 kept in floating point: also used by aten::mm in method forward of its "
                              "module: a.b, a.c\n"));
  EXPECT_THAT(text,
              HasSubstr("1 kept in floating point: also used by aten::mm in method forward of a.dd: a.d\n"));
}

TEST(Summary, LeavesAReasonAloneThatHoldsALayersNameAsAWord) {
  EXPECT_THAT(summary({kept("first", "skip_first_last: first layer")}),
              HasSubstr("1 kept in floating point: skip_first_last: first layer: first\n"));
}

}  // namespace
}  // namespace vqt::cli
