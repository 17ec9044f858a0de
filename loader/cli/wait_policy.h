// How long OpenMP's threads spin while they wait for each other.
#pragma once

namespace vqt::cli {

// libgomp's threads spin for milliseconds at the end of each parallel loop. Where another process has a core,
// the thread that is waited for may not even run in that time, and a forward pass becomes many times slower. A
// program that calls this function starts itself again, before main, with GOMP_SPINCOUNT set to about 5 us;
// child processes inherit it. OMP_WAIT_POLICY and GOMP_SPINCOUNT of the user stay as they are.
void set_wait_policy();

}  // namespace vqt::cli
