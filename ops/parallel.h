// at::parallel_for, with the guarantee that it uses threads.
#pragma once

#include <ATen/Parallel.h>

#ifndef INTRA_OP_PARALLEL
#error "without OpenMP torch's parallel_for is a loop on one thread: compile this file as vqt_use_torch does"
#endif
