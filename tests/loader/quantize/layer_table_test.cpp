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

TEST(Summary, CountsEachKindOfLayerInALineOfItsOwn) {
  SiteReport linear, attention = kept("attn", "has a mask");
  linear.action = "quantized";
  linear.scheme = "w8a8";
  linear.bytes_before = 40;
  linear.bytes_after = 10;
  attention.kind = "attention";
  SiteReport integer = attention;
  integer.action = "quantized";
  integer.scheme = "attention int8";
  const std::vector<SiteReport> sites = {linear, attention, integer};
  EXPECT_THAT(summary(sites),
              HasSubstr("1 of 1 sites quantized: 1 w8a8\n1 of 2 attention sites quantized: 1 attention int8\n"
                        "  1 kept in floating point: has a mask: attn\n"));
  EXPECT_THAT(summary({linear}), ::testing::Not(HasSubstr("attention")));
  EXPECT_EQ(totals(sites).quantized_weights, 1);  // an attention has no weight to repack
  EXPECT_THAT(layer_lines({integer}, true), HasSubstr("attn  -  -> attention int8"));
}

}  // namespace
}  // namespace vqt::cli
