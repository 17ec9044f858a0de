// Which image of a scene's files is which image of a folder: by file name.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vqt {

// For every name asked for the index in `known`, names that may have folders before them; -1: none. The same
// file name counts; where there is none, the same without its extension. `file` is where the known ones come
// from. Adds a note for those that are not found. Throws Error: none is found, or one could be two.
std::vector<int64_t> match_names(const std::vector<std::string>& asked, const std::vector<std::string>& known,
                                 const std::string& file, std::vector<std::string>& notes);

// "3 of 40 images WHAT: a.png, ..." for a note; empty where there are none.
std::string left_out(const std::vector<std::string>& names, size_t of, const std::string& what);

}  // namespace vqt
