// Held by every kernel that calls other torch ops. x may require grad (a model run without no_grad) or run
// under autocast; neither may reach into a kernel: autograd refuses out= arguments and autocast would change
// the dtype.
#pragma once

#include <ATen/core/LegacyTypeDispatch.h>
#include <c10/core/impl/LocalDispatchKeySet.h>

namespace vqt {

struct KernelScope {
  at::AutoDispatchBelowADInplaceOrView below_autograd;
  c10::impl::ExcludeDispatchKeyGuard no_autocast{c10::autocast_dispatch_keyset};
};

}  // namespace vqt
