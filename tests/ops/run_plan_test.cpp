// A plan for several threads is run by several threads.
#include "ops/run_plan.h"

#include <gtest/gtest.h>

#include <mutex>
#include <set>
#include <thread>
#include <vector>

namespace vqt {
namespace {

// Notes who ran it, and which cells of the result it was given.
struct Job {
  std::mutex* mutex;
  std::set<std::thread::id>* threads;
  std::vector<int>* cells;  // [rows][columns]: how often each was computed
  int64_t columns;
};

void note(const Job& job, cpu::Range rows, cpu::Range columns) {
  const std::lock_guard<std::mutex> lock(*job.mutex);
  job.threads->insert(std::this_thread::get_id());
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    for (int64_t c = columns.begin; c < columns.end; ++c) ++(*job.cells)[r * job.columns + c];
  }
}

class RunPlan : public testing::Test {
 protected:
  void TearDown() override { at::set_num_threads(before_); }

 private:
  int before_ = at::get_num_threads();
};

// OpenMP gives each thread of a team its own part of the tasks, however many cores there are.
TEST_F(RunPlan, EveryThreadRunsATask) {
  for (const int threads : {1, 2, 4}) {
    at::set_num_threads(threads);
    LinearShape shape;
    shape.rows = 400;
    shape.column_end = 300;
    shape.k = 1024;
    shape.threads = threads;
    const LinearPlan plan = plan_linear(shape);
    EXPECT_EQ(plan.tasks(), threads) << to_string(plan);

    std::mutex mutex;
    std::set<std::thread::id> ids;
    std::vector<int> cells(400 * 300, 0);
    run_plan(plan, Job{&mutex, &ids, &cells, 300}, &note);
    EXPECT_EQ(ids.size(), static_cast<size_t>(threads)) << to_string(plan);
    EXPECT_EQ(cells, std::vector<int>(400 * 300, 1)) << to_string(plan);
  }
}

}  // namespace
}  // namespace vqt
