// One block while it runs.
#pragma once

#include <boost/context/fiber.hpp>
#include <cstdint>
#include <deque>
#include <exception>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tests/ops/cuda/simulator/calls.h"

namespace vqt::simulator {

constexpr int kLanes = 32, kMaxWarps = 32;
// When a warp last heard of each warp, itself included: what happened before is ordered.
using Clock = std::vector<uint32_t>;

void join(Clock& into, const Clock& from);

// One load or store of a warp: the n-th of each of its lanes.
struct WarpAccess {
  bool shared = false, write = false;
  size_t bytes = 0;
  std::vector<uintptr_t> addresses;  // one a lane that has come
};

struct Warp {
  int id = 0;
  std::vector<int> order;  // its threads, in the order in which they run
  int live = 0;            // threads that have not ended
  Clock clock;
  uint32_t epoch = 0;  // barriers and collectives so far, which order its lanes

  // The collective that lanes arrive at. Of the one before a lane may still have to read its results.
  int arrived = 0;
  uint64_t collectives = 0;
  std::vector<char> in, out[2];

  std::deque<WarpAccess> accesses;  // from number first_access on
  uint64_t first_access = 0;
};

struct AsyncCopy {
  size_t to;  // offset in shared memory
  std::vector<char> data;
};

struct Thread {
  int id = 0;
  Warp* warp = nullptr;
  boost::context::fiber fiber;
  const void* stack = nullptr;  // its lowest address
  size_t stack_bytes = 0;
  bool ready = true, done = false;
  const char* waits_at = "";
  uint64_t accesses = 0;
  std::vector<AsyncCopy> open;
  std::deque<std::vector<AsyncCopy>> committed;
};

// 4 bytes of shared memory: who touched them last.
struct Word {
  int writer = -1, write_lane = -1;  // -1: nobody; as a lane, the warp as one
  uint32_t write_clock = 0, write_epoch = 0;
  uint32_t read_clock[kMaxWarps] = {};
  int copies = 0, products = 0;  // on their way to it, reading it
};

struct MBarrier {
  uint32_t count = 0, missing = 0;  // arrivals
  int64_t bytes = 0;                // expected
  uint32_t phase = 0;
  Clock clock, released;
};

struct BulkCopy {
  size_t to;  // offset in shared memory
  const void* from;
  uint32_t bytes;
  uint64_t* barrier;
  Clock clock;
};

// One warp's share of a wgmma.
struct Product {
  int columns;
  uint64_t a, b;
  bool accumulate;
  bool chained;  // an earlier product in flight has the same sums
  int32_t* d[kLanes];
  std::vector<int32_t> before;  // [kLanes][columns / 2]
};

struct Products {
  std::vector<Product> open;
  std::deque<std::vector<Product>> committed;
};

struct Machine {
  int blocks = 0, block = 0;
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  std::vector<Products> products;  // by warp
  std::vector<char> memory;
  char* shared = nullptr;
  size_t shared_bytes = 0;
  std::vector<Word> words;
  int arrived = 0;  // at the block's barrier
  uint64_t barriers_passed = 0;
  Clock clock, released;
  std::map<uint64_t*, MBarrier> mbarriers;
  std::vector<BulkCopy> copies;
  std::mt19937_64 random;
  Thread* current = nullptr;
  boost::context::fiber scheduler;
  std::exception_ptr failure;
  const void* main_stack = nullptr;  // for AddressSanitizer
  size_t main_stack_bytes = 0;
};

Machine& machine();  // that runs
Warp& this_warp();
int this_lane();

[[noreturn]] void fail(const std::string& what);

// Suspends this thread until done(); conditions are tested again after a wake.
void wait_until(const char* place, const std::function<bool()>& done);
void wake(Warp& warp);
void wake_all();

size_t shared_offset(const void* address, size_t bytes);
// lane: -1 where the warp acts as one.
void touch(size_t offset, size_t bytes, bool write, int lane);
void mark(size_t offset, size_t bytes, int Word::*field, int change);
void check_global(const void* address, size_t bytes);
void fill_randomly(void* to, size_t bytes);
// Counts accesses that all live lanes have made, or all.
void count_accesses(Warp& warp, bool all);
// A barrier was passed.
void tick(Warp& warp);
// Ends one of the bulk copies in flight; false where there are none.
bool finish_some_copy();

}  // namespace vqt::simulator
