#include "cpu/linear_plan.h"

#include <gtest/gtest.h>

#include <vector>

namespace vqt {
namespace {

LinearShape shape(int64_t rows, int64_t begin, int64_t end, int64_t k, int threads,
                  cpu::Isa isa = cpu::Isa::kAvx2) {
  LinearShape s;
  s.rows = rows;
  s.column_begin = begin;
  s.column_end = end;
  s.k = k;
  s.threads = threads;
  s.isa = isa;
  return s;
}

constexpr cpu::CacheSizes kTuned;  // 1 MB of L2, 16 MB of L3

LinearShape int4(int64_t rows, int64_t k, cpu::Isa isa) {
  LinearShape s = shape(rows, 0, 1024, k, 1, isa);
  s.bits = 4;
  s.group = 128;
  return s;
}

LinearShape weight_only(int64_t rows, cpu::Isa isa) {
  LinearShape s = shape(rows, 0, 4096, 1024, 1, isa);
  s.weight_only = true;
  return s;
}

LinearShape with_amx(LinearShape s, cpu::AmxUse use) {
  s.amx = use;
  return s;
}

LinearShape without_layout(LinearShape s) {
  s.has_layout = false;
  return s;
}

struct Row {
  LinearShape shape;
  const char* plan;
};

void expect_plans(const std::vector<Row>& table) {
  for (const Row& row : table) EXPECT_EQ(to_string(plan_linear(row.shape, kTuned)), row.plan);
}

TEST(LinearPlan, Int8OnAvx2) {
  expect_plans({
      // large m: the cut that wastes least on uneven shares and on preparing rows and columns twice
      {shape(1374, 0, 4096, 1024, 1),
       "int8 1374 x 1024 -> 4096 avx2, 1 thread: 1 x 1 tasks of 1374 x 4096, linear_int8_strassen_avx2 in "
       "blocks of 1160 x 64 x 1024"},
      {shape(1374, 0, 4096, 1024, 2),
       "int8 1374 x 1024 -> 4096 avx2, 2 threads: 1 x 2 tasks of 1374 x 2048, linear_int8_strassen_avx2 in "
       "blocks of 1160 x 64 x 1024"},
      {shape(1374, 0, 3072, 1024, 16),
       "int8 1374 x 1024 -> 3072 avx2, 16 threads: 4 x 4 tasks of 348 x 768, linear_int8_strassen_avx2 in "
       "blocks of 348 x 64 x 1024"},
      // two passes over k
      {shape(1374, 0, 1024, 4096, 1),
       "int8 1374 x 4096 -> 1024 avx2, 1 thread: 1 x 1 tasks of 1374 x 1024, linear_int8_strassen_avx2 in "
       "blocks of 288 x 32 x 2048"},
      // Strassen's scheme from 32 rows and 2 panels on
      {shape(32, 0, 1024, 1024, 1),
       "int8 32 x 1024 -> 1024 avx2, 1 thread: 1 x 1 tasks of 32 x 1024, linear_int8_strassen_avx2 in blocks "
       "of 32 x 64 x 1024"},
      {shape(31, 0, 1024, 1024, 1),
       "int8 31 x 1024 -> 1024 avx2, 1 thread: 1 x 1 tasks of 31 x 1024, linear_int8_direct_avx2 in blocks of "
       "31 x 16 x 1024"},
      {shape(1374, 0, 16, 1024, 1),
       "int8 1374 x 1024 -> 16 avx2, 1 thread: 1 x 1 tasks of 1374 x 16, linear_int8_direct_avx2 in blocks of "
       "1374 x 16 x 1024"},
      {shape(1374, 15, 17, 1024, 1),
       "int8 1374 x 1024 -> 2 (from column 15) avx2, 1 thread: 1 x 1 tasks of 1374 x 17, "
       "linear_int8_strassen_avx2 in blocks of 1160 x 17 x 1024"},
      // small m: columns are cut, so that the weight is read once
      {shape(1, 0, 4096, 1024, 2),
       "int8 1 x 1024 -> 4096 avx2, 2 threads: 1 x 2 tasks of 1 x 2048, linear_int8_direct_avx2 in blocks of "
       "1 x 16 x 1024"},
      {shape(16, 0, 1024, 4096, 8),
       "int8 16 x 4096 -> 1024 avx2, 8 threads: 1 x 8 tasks of 16 x 128, linear_int8_direct_avx2 in blocks of "
       "16 x 16 x 4096"},
      // a slice of a fused projection: cut at panels
      {shape(16, 1000, 2024, 1024, 4),
       "int8 16 x 1024 -> 1024 (from column 1000) avx2, 4 threads: 1 x 4 tasks of 16 x 288, "
       "linear_int8_direct_avx2 in blocks of 16 x 16 x 1024"},
      // too little work for more threads
      {shape(4, 0, 64, 64, 16),
       "int8 4 x 64 -> 64 avx2, 16 threads: 1 x 1 tasks of 4 x 64, linear_int8_direct_avx2 in blocks of 4 x "
       "16 x 64"},
      {shape(0, 0, 64, 64, 16),
       "int8 0 x 64 -> 64 avx2, 16 threads: 0 x 0 tasks of 0 x 0, linear_int8_direct_avx2 in blocks of 0 x 16 "
       "x 64"},
  });
}

TEST(LinearPlan, Int8ElsewhereThanAvx2) {
  using cpu::AmxUse;
  using cpu::Isa;
  expect_plans({
      {shape(3, 0, 20, 64, 1, Isa::kRef),
       "int8 3 x 64 -> 20 ref, 1 thread: 1 x 1 tasks of 3 x 20, linear_int8_ref"},
      {shape(1374, 0, 1024, 1024, 1, Isa::kAvxVnni),
       "int8 1374 x 1024 -> 1024 avxvnni, 1 thread: 1 x 1 tasks of 1374 x 1024, linear_int8_avxvnni in blocks "
       "of 606 x 16 x 1024"},
      // where x is multiplied in place: columns, which give even shares whatever the rows are, and one thread's
      // part of the weight to each
      {shape(2748, 0, 1024, 1024, 2, Isa::kAvx512Vnni),
       "int8 2748 x 1024 -> 1024 avx512vnni, 2 threads: 1 x 2 tasks of 2748 x 512, linear_int8_avx512vnni in "
       "blocks of 600 x 32 x 1024"},
      {shape(197, 0, 3072, 1024, 2, Isa::kAvx512Vnni),
       "int8 197 x 1024 -> 3072 avx512vnni, 2 threads: 1 x 2 tasks of 197 x 1536, linear_int8_avx512vnni in "
       "blocks of 197 x 32 x 1024"},
      {shape(13, 0, 1024, 1024, 2, Isa::kAvx512Vnni),
       "int8 13 x 1024 -> 1024 avx512vnni, 2 threads: 1 x 2 tasks of 13 x 512, linear_int8_avx512vnni in blocks "
       "of 13 x 32 x 1024"},
      {shape(1374, 0, 48, 1024, 2, Isa::kAvx512Vnni),
       "int8 1374 x 1024 -> 48 avx512vnni, 2 threads: 2 x 1 tasks of 696 x 48, linear_int8_avx512vnni in blocks "
       "of 600 x 32 x 1024"},
      // few rows: more panels at a time
      {shape(2, 0, 1024, 4096, 1, Isa::kAvx512Vnni),
       "int8 2 x 4096 -> 1024 avx512vnni, 1 thread: 1 x 1 tasks of 2 x 1024, linear_int8_avx512vnni in blocks "
       "of 2 x 128 x 4096"},
      {shape(4, 0, 1024, 8192, 1, Isa::kAvx512Vnni),
       "int8 4 x 8192 -> 1024 avx512vnni, 1 thread: 1 x 1 tasks of 4 x 1024, linear_int8_avx512vnni in blocks "
       "of 4 x 64 x 8192"},
      {shape(5, 0, 1024, 4096, 1, Isa::kAvx512Vnni),
       "int8 5 x 4096 -> 1024 avx512vnni, 1 thread: 1 x 1 tasks of 5 x 1024, linear_int8_avx512vnni in blocks "
       "of 5 x 32 x 4096"},
      // AMX from 24 rows of a task on, where 64 divides k
      {with_amx(shape(24, 0, 3072, 1024, 2, Isa::kAvx512Vnni), AmxUse::kWhereItPays),
       "int8 24 x 1024 -> 3072 avx512vnni, 2 threads: 1 x 2 tasks of 24 x 1536, linear_int8_amx in blocks of 24 x "
       "32 x 1024"},
      {with_amx(shape(23, 0, 3072, 1024, 2, Isa::kAvx512Vnni), AmxUse::kWhereItPays),
       "int8 23 x 1024 -> 3072 avx512vnni, 2 threads: 1 x 2 tasks of 23 x 1536, linear_int8_avx512vnni in "
       "blocks of 23 x 32 x 1024"},
      {with_amx(shape(2082, 0, 3072, 1056, 2, Isa::kAvx512Vnni), AmxUse::kWhereItPays),
       "int8 2082 x 1056 -> 3072 avx512vnni, 2 threads: 1 x 2 tasks of 2082 x 1536, linear_int8_avx512vnni in "
       "blocks of 576 x 32 x 1056"},
      // torch where it is forced
      {with_amx(shape(1, 0, 64, 64, 1), AmxUse::kAlways),
       "int8 1 x 64 -> 64 avx2, 1 thread: linear_int8_torch in blocks of 1 x 64 x 64"},
  });
}

TEST(LinearPlan, Int4) {
  using cpu::Isa;
  expect_plans({
      {int4(3, 1024, Isa::kRef),
       "int4 3 x 1024 -> 1024 ref, 1 thread: 1 x 1 tasks of 3 x 1024, linear_int4_ref"},
      {int4(8, 1024, Isa::kAvx2),
       "int4 8 x 1024 -> 1024 avx2, 1 thread: 1 x 1 tasks of 8 x 1024, linear_int4_small_m_avx2 in blocks of "
       "4 x 16 x 128"},
      {int4(9, 1024, Isa::kAvx2),
       "int4 9 x 1024 -> 1024 avx2, 1 thread: 1 x 1 tasks of 9 x 1024, linear_int4_large_m_avx2 in blocks of "
       "9 x 16 x 128"},
      {int4(1374, 1024, Isa::kAvx2),
       "int4 1374 x 1024 -> 1024 avx2, 1 thread: 1 x 1 tasks of 1374 x 1024, linear_int4_large_m_avx2 in "
       "blocks of 96 x 16 x 128"},
      {int4(1374, 8192, Isa::kAvx2),
       "int4 1374 x 8192 -> 1024 avx2, 1 thread: 1 x 1 tasks of 1374 x 1024, linear_int4_large_m_avx2 in "
       "blocks of 32 x 16 x 128"},
      {int4(1374, 1024, Isa::kAvxVnni),
       "int4 1374 x 1024 -> 1024 avxvnni, 1 thread: 1 x 1 tasks of 1374 x 1024, linear_int4_avxvnni in blocks "
       "of 96 x 16 x 128"},
      {int4(1374, 1024, Isa::kAvx512Vnni),
       "int4 1374 x 1024 -> 1024 avx512vnni, 1 thread: 1 x 1 tasks of 1374 x 1024, "
       "linear_int4_large_m_avx512vnni in blocks of 144 x 32 x 128"},
      {int4(1374, 8192, Isa::kAvx512Vnni),
       "int4 1374 x 8192 -> 1024 avx512vnni, 1 thread: 1 x 1 tasks of 1374 x 1024, "
       "linear_int4_large_m_avx512vnni in blocks of 72 x 32 x 128"},
      // up to two tiles: unpacked in registers
      {int4(25, 1024, Isa::kAvx512Vnni),
       "int4 25 x 1024 -> 1024 avx512vnni, 1 thread: 1 x 1 tasks of 25 x 1024, "
       "linear_int4_large_m_avx512vnni in blocks of 25 x 32 x 128"},
      {int4(24, 1024, Isa::kAvx512Vnni),
       "int4 24 x 1024 -> 1024 avx512vnni, 1 thread: 1 x 1 tasks of 24 x 1024, "
       "linear_int4_small_m_avx512vnni in blocks of 24 x 32 x 128"},
      {int4(1, 1024, Isa::kAvx512Vnni),
       "int4 1 x 1024 -> 1024 avx512vnni, 1 thread: 1 x 1 tasks of 1 x 1024, "
       "linear_int4_small_m_avx512vnni in blocks of 1 x 128 x 128"},
      // AMX is for int8 alone
      {with_amx(int4(1374, 1024, Isa::kAvx512Vnni), cpu::AmxUse::kAlways),
       "int4 1374 x 1024 -> 1024 avx512vnni, 1 thread: 1 x 1 tasks of 1374 x 1024, "
       "linear_int4_large_m_avx512vnni in blocks of 144 x 32 x 128"},
      {without_layout(int4(9, 1024, Isa::kAvx2)),
       "int4 9 x 1024 -> 1024 avx2, 1 thread: 1 x 1 tasks of 9 x 1024, linear_canonical"},
  });
}

TEST(LinearPlan, WeightOnly) {
  using cpu::Isa;
  expect_plans({
      {weight_only(16, Isa::kAvx2),
       "int8 weight-only 16 x 1024 -> 4096 avx2, 1 thread: 1 x 1 tasks of 16 x 4096, "
       "weight_only_small_m_avx2 in blocks of 4 x 16 x 1024"},
      {weight_only(17, Isa::kAvx2),
       "int8 weight-only 17 x 1024 -> 4096 avx2, 1 thread: 1 x 1 tasks of 17 x 4096, "
       "weight_only_large_m_avx2 in blocks of 17 x 16 x 384"},
      {weight_only(1374, Isa::kAvxVnni),
       "int8 weight-only 1374 x 1024 -> 4096 avxvnni, 1 thread: 1 x 1 tasks of 1374 x 4096, "
       "weight_only_large_m_avx2 in blocks of 192 x 16 x 384"},
      {weight_only(16, Isa::kAvx512Vnni),
       "int8 weight-only 16 x 1024 -> 4096 avx512vnni, 1 thread: 1 x 1 tasks of 16 x 4096, "
       "weight_only_small_m_avx512vnni in blocks of 4 x 16 x 1024"},
      {weight_only(1374, Isa::kAvx512Vnni),
       "int8 weight-only 1374 x 1024 -> 4096 avx512vnni, 1 thread: 1 x 1 tasks of 1374 x 4096, "
       "weight_only_large_m_avx512vnni in blocks of 224 x 32 x 256"},
      {weight_only(16, Isa::kRef),
       "int8 weight-only 16 x 1024 -> 4096 ref, 1 thread: 1 x 1 tasks of 16 x 4096, weight_only_ref"},
      // torch where portable code is slower, and where no kernel reads the layout
      {weight_only(17, Isa::kRef),
       "int8 weight-only 17 x 1024 -> 4096 ref, 1 thread: weight_only_torch in blocks of 17 x 1024 x 1024"},
      {without_layout(weight_only(1, Isa::kAvx512Vnni)),
       "int8 weight-only 1 x 1024 -> 4096 avx512vnni, 1 thread: weight_only_torch in blocks of 1 x 1024 x "
       "1024"},
  });
}

std::vector<LinearShape> shapes_of_every_kernel() {
  std::vector<LinearShape> all;
  for (const cpu::Isa isa : cpu::kIsas) {
    for (const int64_t rows : {1, 17, 1374}) {
      for (const int64_t k : {64, 1024, 4096, 8192}) {
        all.push_back(shape(rows, 0, 4096, k, 1, isa));
        all.push_back(int4(rows, k, isa));
        all.push_back(weight_only(rows, isa));
      }
    }
  }
  return all;
}

// More cache than the kernels were tuned with changes nothing: 2 MB and 300 MB are a server's.
TEST(LinearPlan, LargerCachesKeepTheTunedBlocks) {
  for (const LinearShape& s : shapes_of_every_kernel()) {
    EXPECT_EQ(to_string(plan_linear(s, {2 << 20, 300 << 20})), to_string(plan_linear(s, kTuned)));
  }
}

TEST(LinearPlan, SmallerCachesTakeSmallerBlocks) {
  const cpu::CacheSizes small = {256 << 10, 4 << 20};
  const auto block = [&](const LinearShape& s) {
    const cpu::LinearBlock b = plan_linear(s, small).block;
    return std::vector<int64_t>{b.rows, b.columns};
  };
  EXPECT_EQ(block(shape(1374, 0, 4096, 1024, 1)), (std::vector<int64_t>{288, 32}));
  EXPECT_EQ(block(shape(1374, 0, 4096, 1024, 1, cpu::Isa::kAvxVnni)), (std::vector<int64_t>{156, 16}));
  EXPECT_EQ(block(shape(1374, 0, 4096, 1024, 1, cpu::Isa::kAvx512Vnni)), (std::vector<int64_t>{144, 32}));
  EXPECT_EQ(block(shape(4, 0, 4096, 1024, 1, cpu::Isa::kAvx512Vnni)), (std::vector<int64_t>{144, 64}));
  EXPECT_EQ(block(int4(1374, 8192, cpu::Isa::kAvx2)), (std::vector<int64_t>{16, 16}));
  EXPECT_EQ(block(int4(1374, 4096, cpu::Isa::kAvx512Vnni)), (std::vector<int64_t>{36, 32}));
  EXPECT_EQ(block(weight_only(1374, cpu::Isa::kAvx2)), (std::vector<int64_t>{96, 16}));
  EXPECT_EQ(block(weight_only(1374, cpu::Isa::kAvx512Vnni)), (std::vector<int64_t>{140, 32}));
  EXPECT_EQ(block(weight_only(1374, cpu::Isa::kRef)), (std::vector<int64_t>{0, 256}));
}

// Which kernel it is does not depend on the caches.
TEST(LinearPlan, CachesDoNotChooseTheKernel) {
  for (const LinearShape& s : shapes_of_every_kernel()) {
    EXPECT_EQ(plan_linear(s, {64 << 10, 64 << 10}).kernel, plan_linear(s, kTuned).kernel);
  }
}

// Every element of y belongs to exactly one task.
TEST(LinearPlan, TasksCoverEveryElementOnce) {
  for (int64_t rows : {1, 5, 12, 13, 100}) {
    for (int64_t begin : {0, 3, 16, 40}) {
      for (int64_t size : {1, 15, 16, 33, 200}) {
        for (int threads : {1, 2, 3, 7, 16}) {
          const LinearPlan plan = plan_linear(shape(rows, begin, begin + size, 100000, threads));
          EXPECT_GE(plan.tasks(), 1);
          EXPECT_LE(plan.tasks(), threads);
          std::vector<int> count(rows * size, 0);
          for (int64_t task = 0; task < plan.tasks(); ++task) {
            const cpu::Range r = plan.rows(task), c = plan.columns(task);
            EXPECT_LT(r.begin, r.end);
            EXPECT_LT(c.begin, c.end);
            for (int64_t i = r.begin; i < r.end; ++i) {
              for (int64_t j = c.begin; j < c.end; ++j) ++count.at(i * size + j - begin);
            }
          }
          EXPECT_EQ(count, std::vector<int>(rows * size, 1)) << to_string(plan);
        }
      }
    }
  }
}

}  // namespace
}  // namespace vqt
