#include "tests/ops/cuda/simulator/machine.h"

#include <algorithm>
#include <memory>
#include <utility>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

namespace vqt::simulator {
namespace {

namespace context = boost::context;

Machine* running = nullptr;

// AddressSanitizer has to know on which stack the code goes on.
struct StackSwitch {
#if defined(__SANITIZE_ADDRESS__)
  void* fake = nullptr;
  void begin(const void* stack, size_t bytes) { __sanitizer_start_switch_fiber(&fake, stack, bytes); }
  void begin_last(const void* stack, size_t bytes) { __sanitizer_start_switch_fiber(nullptr, stack, bytes); }
  void end(const void** stack, size_t* bytes) { __sanitizer_finish_switch_fiber(fake, stack, bytes); }
#else
  void begin(const void*, size_t) {}
  void begin_last(const void*, size_t) {}
  void end(const void**, size_t*) {}
#endif
};

constexpr size_t kStackBytes = 64 << 10;

// Notes where a fiber's stack is.
struct FiberStack {
  Thread* thread;

  context::stack_context allocate() const {
    const context::stack_context made = context::fixedsize_stack(kStackBytes).allocate();
    thread->stack = static_cast<char*>(made.sp) - made.size;  // it grows downwards
    thread->stack_bytes = made.size;
    return made;
  }
  void deallocate(context::stack_context& made) const noexcept {
    context::fixedsize_stack(kStackBytes).deallocate(made);
  }
};

struct Unwind {};  // thrown in threads that wait where another one failed

void end_thread(Thread& t) {
  t.done = true;
  --t.warp->live;
  if (!running->failure && t.warp->arrived > 0) {
    try {
      fail("a lane ended while others of its warp wait at a collective");
    } catch (...) {
      running->failure = std::current_exception();
    }
  }
}

void run_thread(Thread& t, const std::function<void()>& kernel) {
  try {
    if (running->failure) return;
    kernel();
    if (!t.open.empty() || !t.committed.empty()) fail("the thread ended with copies in flight");
  } catch (const Unwind&) {
  } catch (...) {
    running->failure = std::current_exception();
  }
}

void start(Thread& t, const std::function<void()>& kernel) {
  t.fiber = context::fiber(std::allocator_arg, FiberStack{&t}, [&t, &kernel](context::fiber&& scheduler) {
    StackSwitch().end(&running->main_stack, &running->main_stack_bytes);
    running->scheduler = std::move(scheduler);
    run_thread(t, kernel);
    end_thread(t);
    StackSwitch().begin_last(running->main_stack, running->main_stack_bytes);
    return std::move(running->scheduler);
  });
}

void resume(Thread& t) {
  running->current = &t;
  StackSwitch stack;
  stack.begin(t.stack, t.stack_bytes);
  t.fiber = std::move(t.fiber).resume();
  stack.end(nullptr, nullptr);
  running->current = nullptr;
}

// Ends all threads where one failed.
void rethrow_failure() {
  if (!running->failure) return;
  for (Thread& t : running->threads) {
    if (!t.done) resume(t);
  }
  std::rethrow_exception(running->failure);
}

void fail_deadlock() {
  std::map<std::string, int> places;
  for (const Thread& t : running->threads) places[t.waits_at] += !t.done;
  std::string text = "deadlock:";
  for (const auto& [place, count] : places) {
    if (count > 0) text += " " + std::to_string(count) + " threads wait at " + place + ";";
  }
  running->failure = std::make_exception_ptr(Fault("block " + std::to_string(running->block) + ": " + text));
  rethrow_failure();
}

bool can_run(const Thread& t) { return t.ready && !t.done; }

// Lets a warp run until it waits for others.
void run_warp(const Warp& warp) {
  for (bool again = true; again;) {
    again = false;
    for (const int i : warp.order) {
      Thread& t = running->threads[i];
      if (!can_run(t)) continue;
      resume(t);
      rethrow_failure();
      again = true;
    }
  }
}

void run_all() {
  const auto done = [](const Thread& t) { return t.done; };
  while (!std::all_of(running->threads.begin(), running->threads.end(), done)) {
    std::vector<const Warp*> able;
    for (const Warp& warp : running->warps) {
      const auto ready = [](int i) { return can_run(running->threads[i]); };
      if (std::any_of(warp.order.begin(), warp.order.end(), ready)) able.push_back(&warp);
    }
    constexpr int kCopyEndsOneTimeIn = 8;
    if (able.empty() || running->random() % kCopyEndsOneTimeIn == 0) {
      if (finish_some_copy()) continue;
      if (able.empty()) fail_deadlock();
    }
    run_warp(*able[running->random() % able.size()]);
  }
  if (!running->copies.empty()) fail("the block ended with bulk copies in flight");
}

void run_block(int threads, const std::function<void()>& kernel) {
  Machine& m = *running;
  m.threads = std::vector<Thread>(threads);
  m.warps = std::vector<Warp>((threads + kLanes - 1) / kLanes);
  m.products = std::vector<Products>(m.warps.size());
  m.words.assign((m.shared_bytes + 3) / 4, Word());
  m.mbarriers.clear();
  m.clock = m.released = {};
  fill_randomly(m.shared, m.shared_bytes);
  for (size_t w = 0; w < m.warps.size(); ++w) {
    m.warps[w].id = static_cast<int>(w);
    m.warps[w].clock.assign(m.warps.size(), 0);
    m.warps[w].clock[w] = 1;
  }
  for (int i = 0; i < threads; ++i) {
    m.threads[i].id = i;
    m.threads[i].warp = &m.warps[i / kLanes];
    m.threads[i].warp->order.push_back(i);
    start(m.threads[i], kernel);
  }
  for (Warp& warp : m.warps) {
    warp.live = static_cast<int>(warp.order.size());
    std::shuffle(warp.order.begin(), warp.order.end(), m.random);
  }
  run_all();
  for (Warp& warp : m.warps) count_accesses(warp, true);
  for (const Products& p : m.products) {
    if (!p.open.empty() || !p.committed.empty()) fail("the block ended with products in flight");
  }
}

}  // namespace

Counters& counters() {
  static Counters counters;
  return counters;
}

void simulate(int blocks, int threads, size_t shared, uint64_t seed, const std::function<void()>& kernel) {
  constexpr size_t kAlignment = 1024, kMostShared = 227 << 10;
  if (threads > kMaxWarps * kLanes) throw Fault("a block of more than 1,024 threads");
  if (shared > kMostShared) throw Fault("a block with more than 227 KB of shared memory");
  Machine m;
  m.blocks = blocks;
  m.shared_bytes = shared;
  m.memory.resize(shared + kAlignment);
  void* begin = m.memory.data();
  size_t space = m.memory.size();
  m.shared = static_cast<char*>(std::align(kAlignment, shared, begin, space));
  m.random.seed(seed);
  running = &m;
  struct End {
    ~End() { running = nullptr; }
  } end;
  for (m.block = 0; m.block < blocks; ++m.block) run_block(threads, kernel);
}

Machine& machine() { return *running; }
Warp& this_warp() { return *running->current->warp; }
int this_lane() { return running->current->id % kLanes; }

int thread_index() { return running->current->id; }
int block_index() { return running->block; }
int grid_size() { return running->blocks; }
char* shared_memory() { return running->shared; }

void fail(const std::string& what) {
  std::string where;
  if (running != nullptr) where = "block " + std::to_string(running->block);
  if (running != nullptr && running->current != nullptr)
    where += " warp " + std::to_string(this_warp().id) + " lane " + std::to_string(this_lane());
  throw Fault(where.empty() ? what : where + ": " + what);
}

void wait_until(const char* place, const std::function<bool()>& done) {
  while (!done()) {
    Thread* self = running->current;
    self->ready = false;
    self->waits_at = place;
    StackSwitch stack;
    stack.begin(running->main_stack, running->main_stack_bytes);
    running->scheduler = std::move(running->scheduler).resume();
    stack.end(&running->main_stack, &running->main_stack_bytes);
    running->current = self;
    if (running->failure) throw Unwind();
  }
}

void wake(Warp& warp) {
  for (const int i : warp.order) running->threads[i].ready = true;
}

void wake_all() {
  for (Thread& t : running->threads) t.ready = true;
}

void fill_randomly(void* to, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) static_cast<char*>(to)[i] = static_cast<char>(running->random());
}

}  // namespace vqt::simulator
