#include "cpu/isa.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <stdexcept>
#include <string>

namespace vqt::cpu {
namespace {

using testing::HasSubstr;

template <class Call>
std::string error_of(Call call) {
  try {
    call();
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Isa, NamesGoBothWays) {
  EXPECT_STREQ(to_string(Isa::kRef), "ref");
  EXPECT_STREQ(to_string(Isa::kAvx512Vnni), "avx512vnni");
  for (const Isa isa : kIsas) EXPECT_EQ(isa_from(to_string(isa)), isa);
  EXPECT_STREQ(to_string(Isa::kAmx), "amx");
  EXPECT_EQ(isa_from("amx"), Isa::kAmx);
}

TEST(Isa, AnUnknownNameListsTheNames) {
  EXPECT_THAT(
      error_of([] { isa_from("sse9"); }),
      HasSubstr(
          "VQT_ISA: expected one of ref, avx2, avxvnni, avx512vnni, amx, got \"sse9\"; this CPU has ref"));
}

TEST(Isa, TheReferenceRunsEverywhere) { EXPECT_TRUE(available(Isa::kRef)); }

TEST(Isa, VnniImpliesAvx2) {
  EXPECT_TRUE(available(Isa::kAvx2) || !(available(Isa::kAvxVnni) || available(Isa::kAvx512Vnni)));
  EXPECT_TRUE(available(Isa::kAvx512Vnni) || !available(Isa::kAmx));
}

TEST(Isa, TheBestIsTheLastAvailableUnlessForced) {
  Isa want = Isa::kRef;
  for (const Isa isa : kIsas) want = available(isa) ? isa : want;
  const char* forced = std::getenv("VQT_ISA");
  if (forced != nullptr && *forced != '\0' && isa_from(forced) != Isa::kAmx) want = isa_from(forced);
  EXPECT_EQ(best_isa(), want);
  for (const Isa isa : kIsas) {
    if (available(isa)) {
      set_isa_for_testing(isa);
      EXPECT_EQ(best_isa(), isa);
      reset_isa_for_testing();
    } else {
      EXPECT_THAT(error_of([&] { set_isa_for_testing(isa); }),
                  HasSubstr("expected an instruction set of this CPU (ref"));
    }
    EXPECT_EQ(best_isa(), want);
  }
}

TEST(Isa, AmxIsUsedBesideTheBestOfTheOthersAndMayBeForcedAnywhere) {
  Isa best = Isa::kRef;
  for (const Isa isa : kIsas) best = available(isa) ? isa : best;
  set_isa_for_testing(Isa::kAmx);
  EXPECT_EQ(best_isa(), best);
  EXPECT_EQ(amx_use(), AmxUse::kAlways);
  set_isa_for_testing(Isa::kRef);
  EXPECT_EQ(best_isa(), Isa::kRef);
  EXPECT_EQ(amx_use(), AmxUse::kNever);
  reset_isa_for_testing();
  if (std::getenv("VQT_ISA") == nullptr) {
    EXPECT_EQ(amx_use(), available(Isa::kAmx) ? AmxUse::kWhereItPays : AmxUse::kNever);
  }
}

}  // namespace
}  // namespace vqt::cpu
