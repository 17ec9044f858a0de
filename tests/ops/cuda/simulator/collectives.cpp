// The block's barrier, and what the lanes of a warp do together.
#include <algorithm>

#include "tests/ops/cuda/simulator/machine.h"

namespace vqt::simulator {

void join(Clock& into, const Clock& from) {
  if (into.size() < from.size()) into.resize(from.size(), 0);
  for (size_t i = 0; i < from.size(); ++i) into[i] = std::max(into[i], from[i]);
}

void tick(Warp& warp) {
  ++warp.clock[warp.id];
  ++warp.epoch;
}

void sync_block() {
  Machine& m = machine();
  Warp& warp = this_warp();
  join(m.clock, warp.clock);
  const uint64_t passed = m.barriers_passed;
  if (++m.arrived == static_cast<int>(m.threads.size())) {
    m.arrived = 0;
    ++m.barriers_passed;
    m.released = m.clock;
    wake_all();
  } else {
    wait_until("the block's barrier", [&] { return m.barriers_passed != passed; });
  }
  join(warp.clock, m.released);
  tick(warp);
}

void warp_collective(const void* in, size_t bytes_in, void* out, size_t bytes_out,
                     const std::function<void(const char* in, char* out)>& combine) {
  Warp& warp = this_warp();
  if (warp.live != kLanes) fail("a collective of a warp that is not whole");
  const uint64_t number = warp.collectives;
  std::vector<char>& results = warp.out[number % 2];
  if (warp.arrived == 0) {
    warp.in.assign(kLanes * bytes_in, 0);
    results.assign(kLanes * bytes_out, 0);
  }
  if (warp.in.size() != kLanes * bytes_in || results.size() != kLanes * bytes_out)
    fail("lanes of one warp are at different collectives");
  if (bytes_in > 0) std::memcpy(warp.in.data() + this_lane() * bytes_in, in, bytes_in);
  if (++warp.arrived == kLanes) {
    count_accesses(warp, false);
    combine(warp.in.data(), results.data());
    warp.arrived = 0;
    ++warp.collectives;
    ++warp.epoch;
    wake(warp);
  } else {
    wait_until("a collective of its warp", [&] { return warp.collectives != number; });
  }
  if (bytes_out > 0) std::memcpy(out, results.data() + this_lane() * bytes_out, bytes_out);
}

}  // namespace vqt::simulator
