// Copies from global to shared memory that end later: cp.async, which its thread waits for, and bulk copies, which
// mbarriers count.
#include <utility>

#include "tests/ops/cuda/simulator/machine.h"

namespace vqt::simulator {
namespace {

// The target is rubbish until the copy was waited for.
size_t begin_copy(void* shared, const void* global, size_t bytes, int lane) {
  check_global(global, bytes);
  const size_t offset = shared_offset(shared, bytes);
  if (offset % 16 != 0 || reinterpret_cast<uintptr_t>(global) % 16 != 0)
    fail("an asynchronous copy from or to no multiple of 16 bytes");
  touch(offset, bytes, true, lane);
  fill_randomly(shared, bytes);
  mark(offset, bytes, &Word::copies, 1);
  return offset;
}

MBarrier& mbarrier(uint64_t* barrier) {
  touch(shared_offset(barrier, sizeof *barrier), sizeof *barrier, false, -1);  // after its initialization
  const auto found = machine().mbarriers.find(barrier);
  if (found == machine().mbarriers.end()) fail("an mbarrier that was not initialized");
  return found->second;
}

void end_phase_where_complete(MBarrier& b) {
  if (b.missing != 0 || b.bytes != 0) return;
  ++b.phase;
  b.missing = b.count;
  b.released = b.clock;
  wake_all();
}

void arrive(MBarrier& b, int64_t bytes) {
  if (b.missing == 0) fail("an mbarrier has more arrivals than its count");
  --b.missing;
  b.bytes += bytes;
  join(b.clock, this_warp().clock);
  tick(this_warp());
  end_phase_where_complete(b);
}

}  // namespace

void copy_async(void* shared, const void* global, size_t bytes) {
  AsyncCopy copy{begin_copy(shared, global, bytes, this_lane()), std::vector<char>(bytes)};
  std::memcpy(copy.data.data(), global, bytes);
  machine().current->open.push_back(std::move(copy));
}

void copy_async_commit() {
  Thread& t = *machine().current;
  t.committed.push_back(std::exchange(t.open, {}));
}

void copy_async_wait(int pending) {
  Thread& t = *machine().current;
  while (static_cast<int>(t.committed.size()) > pending) {
    for (const AsyncCopy& copy : t.committed.front()) {
      mark(copy.to, copy.data.size(), &Word::copies, -1);
      touch(copy.to, copy.data.size(), true, this_lane());
      std::memcpy(machine().shared + copy.to, copy.data.data(), copy.data.size());
    }
    t.committed.pop_front();
  }
}

void barrier_init(uint64_t* barrier, uint32_t count) {
  touch(shared_offset(barrier, sizeof *barrier), sizeof *barrier, true, -1);
  MBarrier b;
  b.count = b.missing = count;
  machine().mbarriers[barrier] = b;
}

void barrier_arrive(uint64_t* barrier) { arrive(mbarrier(barrier), 0); }
void barrier_expect(uint64_t* barrier, uint32_t bytes) { arrive(mbarrier(barrier), bytes); }

void barrier_wait(uint64_t* barrier, uint32_t parity) {
  MBarrier& b = mbarrier(barrier);
  wait_until("an mbarrier", [&] { return b.phase % 2 != parity; });
  join(this_warp().clock, b.released);
  ++this_warp().epoch;
}

void bulk_copy(void* shared, const void* global, uint32_t bytes, uint64_t* barrier) {
  mbarrier(barrier);
  if (bytes % 16 != 0) fail("a bulk copy of no multiple of 16 bytes");
  const size_t offset = begin_copy(shared, global, bytes, -1);
  machine().copies.push_back({offset, global, bytes, barrier, this_warp().clock});
  tick(this_warp());
}

bool finish_some_copy() {
  Machine& m = machine();
  if (m.copies.empty()) return false;
  std::swap(m.copies[m.random() % m.copies.size()], m.copies.back());
  const BulkCopy copy = std::move(m.copies.back());
  m.copies.pop_back();
  mark(copy.to, copy.bytes, &Word::copies, -1);
  std::memcpy(m.shared + copy.to, copy.from, copy.bytes);
  MBarrier& b = m.mbarriers.at(copy.barrier);
  b.bytes -= copy.bytes;
  join(b.clock, copy.clock);
  end_phase_where_complete(b);
  return true;
}

}  // namespace vqt::simulator
