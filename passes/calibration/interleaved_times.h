// Two ways to do one thing, timed side by side.
#pragma once

#include <functional>

namespace vqt {

struct Times {
  double first = 0.0, second = 0.0;
};

// The least time of each, in the clock's unit (milliseconds). After one run of each to warm up they take
// turns, five times or, from the second turn on, until half a second is spent: what slows the machine for a
// while slows both. between: called before every timed run.
Times interleaved_times(const std::function<void()>& first, const std::function<void()>& second,
                        const std::function<void()>& between, const std::function<double()>& clock);

}  // namespace vqt
