// Which pattern matches which site, and the distances behind "nearest".
#include <gmock/gmock.h>

#include "vqt/nearest.h"
#include "vqt/plan.h"

namespace vqt {
namespace {

TEST(Patterns, MatchByComponentNameOrExpression) {
  struct Case {
    const char* pattern;
    const char* fqn;
    bool expected;
  };
  const Case cases[] = {
      // a plain word: some component contains it
      {"qkv", "aggregator.frame_blocks.3.attn.qkv", true},
      {"qk", "aggregator.frame_blocks.3.attn.qkv", true},
      {"block", "aggregator.frame_blocks.3.attn.qkv", true},
      {"3", "aggregator.frame_blocks.3.attn.qkv", true},
      {"3", "aggregator.frame_blocks.13.attn.qkv", true},
      {"fc1", "fc1", true},
      {"fc1", "fc10", true},
      {"fc10", "fc1", false},
      {"QKV", "blocks.0.attn.qkv", false},
      {"nqk", "attn.qkv", false},  // never across a dot
      {"frozen", "frozen.0", true},
      {"in_proj", "attn.in_proj_weight", true},
      // a dotted name: that site, or every site below that module
      {"blocks.0", "blocks.0", true},
      {"blocks.0", "blocks.0.attn.qkv", true},
      {"blocks.0", "blocks.01.attn.qkv", false},
      {"blocks.1", "blocks.10.fc", false},
      {"blocks.0.attn.qkv", "blocks.0.attn.qkv", true},
      {"blocks.0.attn.qk", "blocks.0.attn.qkv", false},
      {"frame_blocks.0", "aggregator.frame_blocks.0.fc", false},  // from the root
      {"attn.qkv", "blocks.0.attn.qkv", false},
      {"blocks.0.attn.qkv.x", "blocks.0.attn.qkv", false},
      {"frozen.0", "frozen.0", true},
      {"frozen.0", "frozen.01", false},
      {"blocks.", "blocks.0", false},
      {".0", "blocks.0", false},
      // re: the whole name
      {"re:fc.", "fc1", true},
      {"re:fc.", "fc12", false},
      {"re:fc", "fc1", false},
      {"re:.*qkv", "blocks.0.attn.qkv", true},
      {"re:blocks\\.[0-3]\\..*", "blocks.3.fc", true},
      {"re:blocks\\.[0-3]\\..*", "blocks.4.fc", false},
      {"re:blocks\\.[0-3]\\..*", "blocks.13.fc", false},
      {"re:a|ab", "ab", true},
      {"re:blocks.0.fc", "blocks.0.fc", true},  // a dot is any character in an expression
      {"re:blocks.0.fc", "blocks_0_fc", true},
      {"re:(?!.*head).*", "blocks.0.fc", true},
      {"re:(?!.*head).*", "camera_head.fc", false},
      {"re:", "x", false},
      // attention also means attn and self_attn, as whole components
      {"attention", "blocks.0.attn.qkv", true},
      {"attention", "blocks.0.self_attn.in_proj", true},
      {"attention", "blocks.0.attention.query", true},
      {"attention", "blocks.0.cross_attention.query", true},
      {"attention", "blocks.0.attention_out.fc", true},
      {"attention", "blocks.0.attn_norm.fc", false},
      {"attention", "blocks.0.xattn.fc", false},
      {"attention", "blocks.0.mlp.fc1", false},
      {"attn", "blocks.0.attn.qkv", true},
      {"attn", "blocks.0.attention.qkv", false},
      {"self_attn", "blocks.0.attn.qkv", false},
      // head: components that end in head or heads, nothing else
      {"head", "camera_head.trunk.0.fc", true},
      {"head", "head", true},
      {"head", "heads.0", true},
      {"head", "model.lm_heads.fc", true},
      {"head", "header.fc", false},
      {"head", "head_norm.fc", false},
      {"head", "num_heads_x.fc", false},
      {"head", "overhead.fc", true},
      {"heads", "multiheads.fc", true},
      {"heads", "heads_norm.fc", true},
      {"heads", "head.fc", false},
      {"camera_head", "camera_head.fc", true},
      {"headache", "headache.fc", true},
      {"", "fc", false},
  };
  for (const Case& c : cases)
    EXPECT_EQ(matches(c.pattern, c.fqn), c.expected) << c.pattern << " on " << c.fqn;
}

TEST(Patterns, ABadExpressionIsAConfigError) {
  EXPECT_THROW(matches("re:(", "x"), UsageError);
  EXPECT_THROW(matches("re:[z-a]", "x"), UsageError);
  EXPECT_NO_THROW(matches("(", "x"));  // no expression without re:
}

TEST(Nearest, Distances) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("abc", ""), 3u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("atn", "attn"), 1u);
  EXPECT_EQ(edit_distance("ab", "ba"), 2u);
  EXPECT_EQ(substring_distance("atn", "blocks.0.attn.qkv"), 1u);
  EXPECT_EQ(substring_distance("attn", "blocks.0.attn.qkv"), 0u);
  EXPECT_EQ(substring_distance("", "abc"), 0u);
  EXPECT_EQ(substring_distance("xyz", ""), 3u);
  EXPECT_EQ(nearest_name("bitz", {"name", "bits", "bias"}), "bits");
  EXPECT_EQ(nearest_name("x", {}), "");
  EXPECT_EQ(nearest_name("b", {"a", "c"}), "a");  // the first of equals
}

}  // namespace
}  // namespace vqt
