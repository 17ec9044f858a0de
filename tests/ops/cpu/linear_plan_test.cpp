#include "cpu/linear_plan.h"

#include <gtest/gtest.h>

#include <vector>

namespace vqt {
namespace {

LinearProblem problem(int64_t rows, int64_t begin, int64_t end, int64_t k, int threads,
                      cpu::Isa isa = cpu::Isa::kAvx2) {
  LinearProblem p;
  p.rows = rows;
  p.column_begin = begin;
  p.column_end = end;
  p.k = k;
  p.threads = threads;
  p.isa = isa;
  return p;
}

TEST(LinearPlan, Table) {
  struct Row {
    LinearProblem problem;
    const char* plan;
  };
  const std::vector<Row> table = {
      // many rows: the cut that wastes least on uneven shares and on preparing rows and columns twice
      {problem(1374, 0, 4096, 1024, 1),
       "int8 1374 x 1024 -> 4096 avx2, 1 thread: 1 x 1 tasks of 1374 x 4096"},
      {problem(1374, 0, 4096, 1024, 2),
       "int8 1374 x 1024 -> 4096 avx2, 2 threads: 1 x 2 tasks of 1374 x 2048"},
      {problem(1374, 0, 3072, 1024, 16),
       "int8 1374 x 1024 -> 3072 avx2, 16 threads: 4 x 4 tasks of 348 x 768"},
      // few rows: columns are cut, so that the weight is read once
      {problem(1, 0, 4096, 1024, 2), "int8 1 x 1024 -> 4096 avx2, 2 threads: 1 x 2 tasks of 1 x 2048"},
      {problem(16, 0, 1024, 4096, 8), "int8 16 x 4096 -> 1024 avx2, 8 threads: 1 x 8 tasks of 16 x 128"},
      // a slice of a fused projection: cut at panels
      {problem(16, 1000, 2024, 1024, 4),
       "int8 16 x 1024 -> 1024 (from column 1000) avx2, 4 threads: 1 x 4 tasks of 16 x 288"},
      // too little work for more threads
      {problem(4, 0, 64, 64, 16), "int8 4 x 64 -> 64 avx2, 16 threads: 1 x 1 tasks of 4 x 64"},
      // where x is multiplied as it lies: columns, which give even shares whatever the rows are, and one
      // thread's part of the weight to each
      {problem(2748, 0, 1024, 1024, 2, cpu::Isa::kAvx512Vnni),
       "int8 2748 x 1024 -> 1024 avx512vnni, 2 threads: 1 x 2 tasks of 2748 x 512"},
      {problem(197, 0, 3072, 1024, 2, cpu::Isa::kAvx512Vnni),
       "int8 197 x 1024 -> 3072 avx512vnni, 2 threads: 1 x 2 tasks of 197 x 1536"},
      {problem(13, 0, 1024, 1024, 2, cpu::Isa::kAvx512Vnni),
       "int8 13 x 1024 -> 1024 avx512vnni, 2 threads: 1 x 2 tasks of 13 x 512"},
      {problem(1374, 0, 48, 1024, 2, cpu::Isa::kAvx512Vnni),
       "int8 1374 x 1024 -> 48 avx512vnni, 2 threads: 2 x 1 tasks of 696 x 48"},
      {problem(0, 0, 64, 64, 16), "int8 0 x 64 -> 64 avx2, 16 threads: 0 x 0 tasks of 0 x 0"},
  };
  for (const Row& row : table) EXPECT_EQ(to_string(plan_linear(row.problem)), row.plan);
}

// Every element of y belongs to exactly one task.
TEST(LinearPlan, TasksCoverEveryElementOnce) {
  for (int64_t rows : {1, 5, 12, 13, 100}) {
    for (int64_t begin : {0, 3, 16, 40}) {
      for (int64_t size : {1, 15, 16, 33, 200}) {
        for (int threads : {1, 2, 3, 7, 16}) {
          const LinearPlan plan = plan_linear(problem(rows, begin, begin + size, 100000, threads));
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
