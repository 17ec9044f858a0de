// The machine, the versions and the command line behind a figure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace vqt {

// Keys: cpu, cpu_flags, logical_cpus, threads, allocator, memory_bytes, gpu, driver, cuda, os, torch, vqt, command_line, time.
nlohmann::ordered_json describe_environment(const std::string& command_line);

}  // namespace vqt
