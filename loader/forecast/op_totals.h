// What the operators of one forward pass took, by name.
#pragma once

#include <map>
#include <string>

namespace vqt {

struct OpTotal {
  // In units of its own for each operator: elements written, of products with tensors on both sides multiply-adds.
  // How an operator's time grows with the input.
  double work = 0;
  double seconds = 0;
};
using OpTotals = std::map<std::string, OpTotal>;

// While it exists, every operator that this thread's code calls is added; not those that an operator calls.
class OpRecorder {
 public:
  explicit OpRecorder(OpTotals& totals);
  ~OpRecorder();
  OpRecorder(const OpRecorder&) = delete;
  OpRecorder& operator=(const OpRecorder&) = delete;

 private:
  unsigned long handle_;
};

}  // namespace vqt
