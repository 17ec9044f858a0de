// Loads and stores: where they may go, in which order, and what they cost.
#include <algorithm>
#include <set>

#include "tests/ops/cuda/simulator/machine.h"

namespace vqt::simulator {
namespace {

std::map<uintptr_t, size_t>& buffers() {  // address: bytes
  static std::map<uintptr_t, size_t> buffers;
  return buffers;
}

std::string at(size_t word) { return "shared memory +" + std::to_string(word * 4); }

void check_order(const Word& word, size_t index, bool write, int lane) {
  const Warp& warp = this_warp();
  if (word.copies > 0) fail("race: " + at(index) + " is the target of a copy that was not waited for");
  if (word.writer >= 0 && word.writer != warp.id && word.write_clock > warp.clock[word.writer])
    fail("race: " + at(index) + " was written by warp " + std::to_string(word.writer) +
         ", no barrier between");
  if (word.writer == warp.id && lane >= 0 && word.write_lane >= 0 && word.write_lane != lane &&
      word.write_epoch == warp.epoch) {
    fail("race: " + at(index) + " was written by lane " + std::to_string(word.write_lane) +
         ", no sync_warp between");
  }
  if (!write) return;
  if (word.products > 0) fail("race: " + at(index) + " is read by a product that was not waited for");
  for (const Warp& other : machine().warps) {
    if (other.id != warp.id && word.read_clock[other.id] > warp.clock[other.id])
      fail("race: " + at(index) + " was read by warp " + std::to_string(other.id) + ", no barrier between");
  }
}

// Lanes are served together for 4 bytes each, in halves for 8, in quarters for 16.
size_t parts(size_t bytes) { return bytes <= 4 ? 1 : bytes / 4; }

// A part takes as many wavefronts as its fullest bank has different words.
size_t wavefronts(const std::vector<uintptr_t>& addresses, size_t bytes) {
  const size_t count = parts(bytes);
  size_t sum = 0;
  for (size_t part = 0; part < count; ++part) {
    std::set<uintptr_t> banks[32];
    for (size_t i = part * addresses.size() / count; i < (part + 1) * addresses.size() / count; ++i) {
      for (uintptr_t word = addresses[i] / 4; word <= (addresses[i] + bytes - 1) / 4; ++word)
        banks[word % 32].insert(word);
    }
    size_t most = 1;
    for (const auto& words : banks) most = std::max(most, words.size());
    sum += most;
  }
  return sum;
}

void count(const WarpAccess& access) {
  Counters& c = counters();
  if (access.shared) {
    c.shared_wavefronts += wavefronts(access.addresses, access.bytes);
    c.shared_ideal += parts(access.bytes);
    return;
  }
  std::set<uintptr_t> sectors, bytes;
  for (const uintptr_t address : access.addresses) {
    for (uintptr_t b = address; b < address + access.bytes; ++b) {
      sectors.insert(b / 32);
      bytes.insert(b);
    }
  }
  c.global_sectors += sectors.size();
  c.global_ideal += (bytes.size() + 31) / 32;
}

// Puts together what lanes do at the same place: the n-th access of each. Lanes that went another way are not counted.
void record(bool shared, const void* address, size_t bytes, bool write) {
  Warp& warp = this_warp();
  const uint64_t number = machine().current->accesses++;
  if (number < warp.first_access) return;
  while (number - warp.first_access >= warp.accesses.size()) warp.accesses.emplace_back();
  WarpAccess& access = warp.accesses[number - warp.first_access];
  if (access.addresses.empty()) {
    access.shared = shared;
    access.write = write;
    access.bytes = bytes;
  }
  if (access.shared != shared || access.write != write || access.bytes != bytes) return;
  access.addresses.push_back(reinterpret_cast<uintptr_t>(address));
  count_accesses(warp, false);
}

}  // namespace

void add_buffer(const void* data, size_t bytes) { buffers()[reinterpret_cast<uintptr_t>(data)] = bytes; }
void remove_buffer(const void* data) { buffers().erase(reinterpret_cast<uintptr_t>(data)); }

void check_global(const void* address, size_t bytes) {
  const auto begin = reinterpret_cast<uintptr_t>(address);
  const std::string what = "global memory: " + std::to_string(bytes) + " bytes ";
  if (bytes <= 16 && begin % bytes != 0) fail(what + "at an address that is no multiple of that");
  auto buffer = buffers().upper_bound(begin);
  if (buffer == buffers().begin()) fail(what + "below every buffer");
  --buffer;
  if (begin + bytes > buffer->first + buffer->second) {
    fail(what + "outside every buffer: +" + std::to_string(begin - buffer->first) + " of one of " +
         std::to_string(buffer->second) + " bytes");
  }
}

size_t shared_offset(const void* address, size_t bytes) {
  const auto offset = static_cast<const char*>(address) - machine().shared;
  if (offset < 0 || static_cast<size_t>(offset) + bytes > machine().shared_bytes) {
    fail("shared memory: " + std::to_string(bytes) + " bytes at +" + std::to_string(offset) + " of " +
         std::to_string(machine().shared_bytes));
  }
  return static_cast<size_t>(offset);
}

void touch(size_t offset, size_t bytes, bool write, int lane) {
  const Warp& warp = this_warp();
  for (size_t i = offset / 4; i <= (offset + bytes - 1) / 4; ++i) {
    Word& word = machine().words[i];
    check_order(word, i, write, lane);
    if (!write) {
      word.read_clock[warp.id] = warp.clock[warp.id];
      continue;
    }
    word.writer = warp.id;
    word.write_lane = lane;
    word.write_clock = warp.clock[warp.id];
    word.write_epoch = warp.epoch;
  }
}

void mark(size_t offset, size_t bytes, int Word::*field, int change) {
  for (size_t i = offset / 4; i <= (offset + bytes - 1) / 4; ++i) machine().words[i].*field += change;
}

void count_accesses(Warp& warp, bool all) {
  while (!warp.accesses.empty()) {
    const WarpAccess& first = warp.accesses.front();
    if (!all && static_cast<int>(first.addresses.size()) != warp.live) return;
    if (!first.addresses.empty()) count(first);
    warp.accesses.pop_front();
    ++warp.first_access;
  }
}

void access_global(const void* address, size_t bytes, bool write) {
  check_global(address, bytes);
  record(false, address, bytes, write);
}

void access_shared(const void* address, size_t bytes, bool write) {
  const size_t offset = shared_offset(address, bytes);
  if (offset % bytes != 0) {
    fail("shared memory: " + std::to_string(bytes) + " bytes at +" + std::to_string(offset) +
         ", no multiple of that");
  }
  touch(offset, bytes, write, this_lane());
  record(true, address, bytes, write);
}

void access_rows(const void* const (&rows)[32]) {
  constexpr size_t kBytes = 16, kTogether = 8;
  for (const void* row : rows) {
    const size_t offset = shared_offset(row, kBytes);
    if (offset % kBytes != 0) fail("shared memory: a row of ldmatrix at no multiple of 16 bytes");
    touch(offset, kBytes, false, -1);
  }
  for (size_t first = 0; first < kLanes; first += kTogether) {
    std::set<uintptr_t> banks[32];
    for (size_t i = first; i < first + kTogether; ++i) {
      for (size_t b = 0; b < kBytes; b += 4) {
        const uintptr_t word = (reinterpret_cast<uintptr_t>(rows[i]) + b) / 4;
        banks[word % 32].insert(word);
      }
    }
    size_t most = 1;
    for (const auto& words : banks) most = std::max(most, words.size());
    counters().shared_wavefronts += most;
    ++counters().shared_ideal;
  }
}

}  // namespace vqt::simulator
