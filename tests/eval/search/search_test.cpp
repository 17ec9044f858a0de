// --search: which candidates it makes, what they are called, what is left out and what is refused.
#include "eval/search/search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vqt/error.h"
#include "vqt/fields.h"

namespace vqt {
namespace {
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Words = std::vector<std::string>;

Candidate preset(const std::string& name) { return {name, "preset", name, QuantizationConfig::preset(name)}; }

struct Found {
  std::vector<Candidate> candidates;
  Words names, notes;
};

Found search(const Words& texts, std::vector<Candidate> bases = {}) {
  Found found;
  add_combinations(bases, parse_search(texts), found.notes);
  for (const Candidate& c : bases) found.names.push_back(c.name);
  found.candidates = std::move(bases);
  return found;
}

std::string usage_error(const Words& texts, std::vector<Candidate> bases = {}) {
  try {
    search(texts, std::move(bases));
  } catch (const UsageError& e) {
    return e.what();
  }
  return "no error";
}

TEST(Search, OneCandidateAValueOverProduction) {
  const Found found = search({"group_size=32,64"});
  EXPECT_THAT(found.names, ElementsAre("production group_size=32", "production group_size=64"));
  EXPECT_THAT(found.notes, IsEmpty());
  for (const Candidate& c : found.candidates) {
    EXPECT_EQ(c.source, "search");
    EXPECT_EQ(c.path, "production");
    EXPECT_EQ(c.config.name, c.name);
  }
  // production has 8 bits; a group size brings 4
  EXPECT_EQ(resolve_scheme(found.candidates[1].config), (Scheme{4, true, Granularity::kGroup, 64}));
}

TEST(Search, SeveralFieldsAreEveryCombinationOverEveryBase) {
  const Found found = search({"activation=dynamic,none", "skip-first-last=true,false"},
                             {preset("mobile"), preset("prototype")});
  EXPECT_THAT(found.names, ElementsAre("mobile activation=dynamic skip_first_last=true",
                                       "mobile activation=dynamic skip_first_last=false",
                                       "mobile activation=none skip_first_last=true",
                                       "mobile activation=none skip_first_last=false",
                                       "prototype activation=dynamic skip_first_last=true",
                                       "prototype activation=dynamic skip_first_last=false",
                                       "prototype activation=none skip_first_last=true",
                                       "prototype activation=none skip_first_last=false"));
  EXPECT_EQ(found.candidates[2].config.activation, ActivationMode::kNone);
  EXPECT_TRUE(found.candidates[2].config.skip_first_last);
  EXPECT_EQ(found.candidates[2].config.group_size, 64);
  EXPECT_FALSE(found.candidates[7].config.skip_first_last);
}

TEST(Search, ArchivesStayAsTheyAre) {
  const Candidate archive = {"mine", "model", "mine.pt", {}};
  const Found found = search({"num_bits=4,8"}, {archive});
  EXPECT_THAT(found.names, ElementsAre("mine", "production bits=4", "production bits=8"));
  EXPECT_EQ(found.candidates[0].source, "model");
}

TEST(Search, AnAlternativeOfAListIsOneValue) {
  const Found found = search({"ignore=,head,re:.*(a|b),c$", "ignore=mlp"});
  EXPECT_THAT(found.names, ElementsAre("production ignore=", "production ignore=head",
                                       "production ignore=re:.*(a|b),c$", "production ignore=mlp"));
  EXPECT_THAT(found.candidates[0].config.ignore, IsEmpty());
  EXPECT_THAT(found.candidates[1].config.ignore, ElementsAre("head"));
  EXPECT_THAT(found.candidates[2].config.ignore, ElementsAre("re:.*(a|b),c$"));
}

TEST(Search, OverridesAreOneAlternativeToTheEndOfTheText) {
  const Found found = search({R"(overrides=[{"targets":["fc1","fc2"],"bits":4}])", "overrides=[]"});
  ASSERT_EQ(found.candidates.size(), 2u);
  ASSERT_EQ(found.candidates[0].config.overrides.size(), 1u);
  EXPECT_THAT(found.candidates[0].config.overrides[0].targets, ElementsAre("fc1", "fc2"));
  EXPECT_THAT(found.candidates[1].config.overrides, IsEmpty());
}

TEST(Search, WhatContradictsItselfIsLeftOutWithANote) {
  const Found found = search({"bits=4,8", "group_size=32,64"});
  EXPECT_THAT(found.names, ElementsAre("production bits=4 group_size=32", "production bits=4 group_size=64"));
  EXPECT_THAT(
      found.notes,
      ElementsAre(AllOf(HasSubstr("left out"), HasSubstr("2 combinations"),
                        HasSubstr("production bits=8 group_size=32 (group_size: 32 contradicts bits 8: "
                                  "only 4 bits are stored in groups); production bits=8 group_size=64"))));
}

TEST(Search, MoreThanThreeAreCounted) {
  const Found found = search({"bits=4,8", "group_size=32,64,96,128,256"});
  EXPECT_EQ(found.candidates.size(), 5u);
  EXPECT_THAT(found.notes, ElementsAre(AllOf(HasSubstr("5 combinations"), HasSubstr("; and 2 more"))));
}

TEST(Search, AContradictionIsAnErrorWhereNothingElseIsLeft) {
  EXPECT_THAT(usage_error({"bits=8", "group_size=32,64"}),
              AllOf(HasSubstr("--search"), HasSubstr("production bits=8 group_size=32"),
                    HasSubstr("only 4 bits are stored in groups")));
  // a single field: the value is what the user asked for
  EXPECT_THAT(usage_error({"sensitive_bits=8,16"}),
              AllOf(HasSubstr("production sensitive_bits=16"), HasSubstr("only mixed_precision")));
}

TEST(Search, EqualConfigsRunOnce) {
  // 4 bits in groups of 128 by three ways
  const Found found =
      search({"quant_type=int4_group", "group_size=64,128"}, {preset("mobile"), preset("smallest")});
  EXPECT_THAT(found.names, ElementsAre("mobile quant_type=int4_group group_size=64",
                                       "mobile quant_type=int4_group group_size=128"));
  EXPECT_THAT(found.notes, ElementsAre(AllOf(HasSubstr("run once"), HasSubstr("2 combinations"),
                                             HasSubstr("smallest quant_type=int4_group group_size=64 (mobile "
                                                       "quant_type=int4_group group_size=64)"))));
}

TEST(Search, AValueGivenTwiceIsOne) {
  const Found found = search({"bits=4,8,4", "num_bits=8"});
  EXPECT_THAT(found.names, ElementsAre("production bits=4", "production bits=8"));
  EXPECT_THAT(found.notes, IsEmpty());
}

struct Bad {
  const char* text;
  Words says;
};

TEST(Search, BadValuesNameTheField) {
  const Bad cases[] = {
      {"group_size", {"field=value", "group_size"}},
      {"groupsize=32", {"groupsize", "no such field", "nearest: group_size"}},
      {"=32", {"no such field"}},
      {"name=a,b", {"name", "nothing to search"}},
      {"group_size=32,abc", {"group_size: expected an integer, got \"abc\""}},
      {"group_size=32,0", {"group_size: expected 1 or more"}},
      {"group_size=", {"group_size: expected an integer"}},
      {"bits=8,5", {"bits: expected one of 4, 8, 16, got 5"}},
      {"normal_bits=5", {"normal_bits: expected one of 4, 8, 16, got 5"}},
      {"symmetric=yes", {"symmetric: expected true or false, got \"yes\""}},
      {"quant_type=int4_groups", {"quant_type", "nearest: int4_group"}},
      {"calibration_method=entropy", {"calibration_method", "not available"}},
      {"ignore=re:(", {"ignore"}},
      {"overrides=[{}]", {"overrides"}},
  };
  for (const Bad& bad : cases) {
    const std::string error = usage_error({bad.text, "activation=none,dynamic"});
    EXPECT_THAT(error, testing::StartsWith("--search: ")) << bad.text;
    for (const std::string& part : bad.says) EXPECT_THAT(error, HasSubstr(part)) << bad.text;
  }
}

TEST(Search, TooManyAreRefused) {
  std::string sizes = "group_size=1";
  for (int i = 2; i <= 25; ++i) sizes += "," + std::to_string(i);
  const Words four = {"activation=dynamic,none", "skip_first_last=true,false"};
  Words texts = {sizes, four[0], four[1]};                                                     // 100
  EXPECT_EQ(search(texts, {preset("mobile"), preset("production")}).candidates.size(), 100u);  // equal pairs
  texts.push_back("activation_symmetric=true,false");
  EXPECT_EQ(search(texts).candidates.size(), 200u);
  EXPECT_THAT(usage_error(texts, {preset("mobile"), preset("production")}),
              AllOf(HasSubstr("at most 200"), HasSubstr("2 x 25 (group_size) x 2 (activation)")));
}

TEST(Search, TheConfigsAreWhatTheConfigFlagTakes) {
  const Found found = search({"quant_type=mixed_precision,int4_group", "ignore=head"});
  for (const Candidate& c : found.candidates) {
    const QuantizationConfig again = QuantizationConfig::from_json(c.config.to_json());
    EXPECT_EQ(resolved_json(again), resolved_json(c.config)) << c.name;
    EXPECT_EQ(again.name, c.name);
  }
}

}  // namespace
}  // namespace vqt
