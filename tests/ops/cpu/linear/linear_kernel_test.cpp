// Names of the kernels, their functions, and which of them this run has really called.
#include "cpu/linear/linear_kernel.h"

#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <map>
#include <set>
#include <string>

#include "cpu/linear/linear_int4_kernel.h"
#include "cpu/linear/linear_int8_kernel.h"
#include "cpu/linear/weight_only_kernel.h"
#include "tests/ops/cpu/linear_case.h"

namespace vqt::cpu {
namespace {

// Prints after all tests how often each kernel ran, and why the others did not. A run of all tests has to call
// every kernel that it can.
class KernelsRun : public testing::Environment {
 public:
  void TearDown() override {
    std::string ran, not_run;
    const bool all = testing::GTEST_FLAG(filter) == "*" && std::getenv("VQT_TEST_SEED") == nullptr &&
                     std::getenv("GTEST_TOTAL_SHARDS") == nullptr;
    for (const LinearKernel kernel : kLinearKernels) {
      const int64_t runs = runs_of(kernel);
      const std::string name = to_string(kernel);
      if (runs > 0) {
        ran += "\n  " + name + " " + std::to_string(runs);
        continue;
      }
      not_run += "\n  " + name + ": " +
                 (is_torch(kernel)                     ? "needs torch (vqt_ops)"
                  : !available(isa_of(kernel))         ? "not on this CPU"
                  : !tested(isa_of(kernel))            ? "left out by VQT_ISA"
                  : kernel == LinearKernel::kCanonical ? "tested through vqt_ops"
                                                       : "not called by these tests");
      if (all && !is_torch(kernel) && kernel != LinearKernel::kCanonical && tested(isa_of(kernel))) {
        ADD_FAILURE() << name << " was not called by any test";
      }
    }
    std::printf("kernels that ran, with their calls:%s\n", ran.empty() ? " none" : ran.c_str());
    std::printf("kernels that did not run:%s\n", not_run.empty() ? " none" : not_run.c_str());
  }
};
const auto* const kRegistered = testing::AddGlobalTestEnvironment(new KernelsRun);

TEST(LinearKernel, EveryNameIsItsOwn) {
  std::set<std::string> names;
  for (const LinearKernel kernel : kLinearKernels) names.insert(to_string(kernel));
  EXPECT_EQ(names.size(), std::size(kLinearKernels));
  EXPECT_EQ(names.count("?"), 0u);
}

TEST(LinearKernel, TheFunctionIsTheOneOfThatName) {
  EXPECT_EQ(linear_int8_kernel(LinearKernel::kInt8Ref), &linear_int8_ref);
  EXPECT_EQ(linear_int8_kernel(LinearKernel::kInt8DirectAvx2), &linear_int8_direct_avx2);
  EXPECT_EQ(linear_int8_kernel(LinearKernel::kInt8StrassenAvx2), &linear_int8_strassen_avx2);
  EXPECT_EQ(linear_int8_kernel(LinearKernel::kInt8AvxVnni), &linear_int8_avxvnni);
  EXPECT_EQ(linear_int8_kernel(LinearKernel::kInt8Avx512Vnni), &linear_int8_avx512vnni);
  EXPECT_EQ(linear_int8_kernel(LinearKernel::kInt8Amx), &linear_int8_amx);
  EXPECT_EQ(linear_int4_kernel(LinearKernel::kInt4Ref), &linear_int4_ref);
  EXPECT_EQ(linear_int4_kernel(LinearKernel::kInt4SmallMAvx2), &linear_int4_small_m_avx2);
  EXPECT_EQ(linear_int4_kernel(LinearKernel::kInt4LargeMAvx2), &linear_int4_large_m_avx2);
  EXPECT_EQ(linear_int4_kernel(LinearKernel::kInt4AvxVnni), &linear_int4_avxvnni);
  EXPECT_EQ(linear_int4_kernel(LinearKernel::kInt4SmallMAvx512Vnni), &linear_int4_small_m_avx512vnni);
  EXPECT_EQ(linear_int4_kernel(LinearKernel::kInt4LargeMAvx512Vnni), &linear_int4_large_m_avx512vnni);
  EXPECT_EQ(weight_only_kernel(LinearKernel::kWeightOnlyRef), &weight_only_ref);
  EXPECT_EQ(weight_only_kernel(LinearKernel::kWeightOnlySmallMAvx2), &weight_only_small_m_avx2);
  EXPECT_EQ(weight_only_kernel(LinearKernel::kWeightOnlyLargeMAvx2), &weight_only_large_m_avx2);
  EXPECT_EQ(weight_only_kernel(LinearKernel::kWeightOnlySmallMAvx512Vnni), &weight_only_small_m_avx512vnni);
  EXPECT_EQ(weight_only_kernel(LinearKernel::kWeightOnlyLargeMAvx512Vnni), &weight_only_large_m_avx512vnni);
}

// Each kernel of this folder has one function, torch's have none.
TEST(LinearKernel, OneKindTakesEachKernel) {
  for (const LinearKernel kernel : kLinearKernels) {
    const int functions = (linear_int8_kernel(kernel) != nullptr) + (linear_int4_kernel(kernel) != nullptr) +
                          (weight_only_kernel(kernel) != nullptr);
    EXPECT_EQ(functions, is_torch(kernel) || kernel == LinearKernel::kCanonical ? 0 : 1) << to_string(kernel);
  }
}

// Calls with enough rows and columns for the kernel's own code count as its own, not as its neighbour's.
TEST(LinearKernel, ACallCountsForTheKernelThatRan) {
  const int64_t m = 16, n = 32, k = 64;
  const std::vector<uint8_t> values(m * k, 1);
  const std::vector<int8_t> w(n * k, 1);
  const std::vector<float> scale(n, 1.0f);
  const std::vector<int32_t> sum(n, static_cast<int32_t>(k));
  for (const LinearKernel kernel : tested_kernels(linear_int8_kernel)) {
    const Activations x(values, std::vector<float>(m, 1.0f), std::vector<int32_t>(m, 0), k,
                        activation_tile(isa_of(kernel)));
    std::vector<float> y(m * n);
    LinearInt8Job job;
    job.k = k;
    job.x = x.rows;
    job.w = w.data();
    job.w_scale = scale.data();
    job.w_sum = sum.data();
    job.out.y = y.data();
    job.out.y_stride = n;
    std::map<LinearKernel, int64_t> before;
    for (const LinearKernel other : kLinearKernels) before[other] = runs_of(other);
    linear_int8_kernel(kernel)(job, {0, m}, {0, n});
    for (const LinearKernel other : kLinearKernels) {
      EXPECT_EQ(runs_of(other) - before[other], other == kernel ? 1 : 0)
          << to_string(other) << " in " << to_string(kernel);
    }
    EXPECT_EQ(y[0], static_cast<float>(k)) << to_string(kernel);
  }
}

}  // namespace
}  // namespace vqt::cpu
