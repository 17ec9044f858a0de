#include "loader/cli/max_memory_flag.h"

#include <string>

namespace vqt::cli {

void add_max_memory_flag(Flags& flags, std::optional<int64_t>& bytes) {
  flags.add({{"--max-memory"},
             Flag::Takes::kOneValue,
             "SIZE",
             "a number of bytes such as 8G, 500M or 7.5GiB",
             "how many frames a forward pass may have in so much memory: 8G, 500M, 7.5GiB",
             "",
             [&bytes](const std::string& text) { bytes = bytes_value("--max-memory", text); }});
}

}  // namespace vqt::cli
