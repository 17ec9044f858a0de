// Two functions timed in turns.
#pragma once

#include <functional>

namespace vqt {

struct Times {
  double first = 0.0, second = 0.0;
};

// The shortest time of each, in the clock's unit (milliseconds). After one run of each to warm up they take
// turns, five times or, from the second turn on, until half a second is spent: a slow period of the machine
// slows both. between: called before every timed run.
Times interleaved_times(const std::function<void()>& first, const std::function<void()>& second,
                        const std::function<void()>& between, const std::function<double()>& clock);

}  // namespace vqt
