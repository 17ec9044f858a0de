// Loads a quantized archive with plain torch::jit::load and runs it once. Linking vqt::ops is all that
// vqt adds: its operators register themselves when the library is loaded.
#include <torch/script.h>

#include <cstdio>
#include <cstdlib>

namespace {

// Name, shape and sum of every tensor in the nest a model returns.
void print(const std::string& name, const c10::IValue& value) {
  if (value.isTensor()) {
    const at::Tensor tensor = value.toTensor();
    std::string shape;
    for (const int64_t size : tensor.sizes()) shape += (shape.empty() ? "" : ", ") + std::to_string(size);
    std::printf("%s [%s] sum %.6g\n", name.c_str(), shape.c_str(),
                tensor.to(at::kDouble).sum().item<double>());
  } else if (value.isGenericDict()) {
    for (const auto& entry : value.toGenericDict())
      print(name + "." + entry.key().toStringRef(), entry.value());
  } else if (value.isTuple()) {
    const auto& elements = value.toTupleRef().elements();
    for (size_t i = 0; i < elements.size(); ++i) print(name + "." + std::to_string(i), elements[i]);
  } else if (value.isList()) {
    for (size_t i = 0; i < value.toListRef().size(); ++i)
      print(name + "." + std::to_string(i), value.toListRef()[i]);
  }
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 4) {
    std::fprintf(stderr, "usage: cpp_inference ARCHIVE.pt HEIGHT WIDTH [FRAMES]\n");
    return 2;
  }
  const int64_t height = std::atoll(argv[2]), width = std::atoll(argv[3]),
                frames = argc > 4 ? std::atoll(argv[4]) : 1;
  torch::jit::Module model = torch::jit::load(argv[1], at::kCPU);
  model.eval();
  const c10::InferenceMode inference;
  torch::manual_seed(0);
  print("output", model.forward({torch::rand({1, frames, 3, height, width})}));
  return 0;
} catch (const c10::Error& e) {
  std::fprintf(stderr, "cpp_inference: %s\n", e.what_without_backtrace());
  return 1;
} catch (const std::exception& e) {
  std::fprintf(stderr, "cpp_inference: %s\n", e.what());
  return 1;
}
