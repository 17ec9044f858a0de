# Flags shared by every target: warnings are errors, ccache when it is there, sanitizers on request.
find_program(VQT_CCACHE ccache)
if(VQT_CCACHE)
  # Precompiled headers need these sloppiness settings; base_dir lets a second clone reuse the first one's objects.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${VQT_CCACHE})
endif()

add_library(vqt_flags INTERFACE)
target_compile_options(vqt_flags INTERFACE -Wall -Wextra -Werror $<$<CXX_COMPILER_ID:GNU>:-fno-gnu-unique>)
if(VQT_SANITIZE)
  target_compile_options(vqt_flags INTERFACE -fsanitize=${VQT_SANITIZE} -fno-omit-frame-pointer -fno-sanitize=vptr
                                             -fno-sanitize-recover=undefined)
  target_link_options(vqt_flags INTERFACE -fsanitize=${VQT_SANITIZE})
endif()

find_package(OpenMP REQUIRED)  # torch's parallel_for is a loop on one thread in files compiled without it

# Targets that include torch share one precompiled header: parsing torch costs 20 s and more a file without it.
function(vqt_use_torch target)
  target_link_libraries(${target} PRIVATE vqt_flags vqt::torch vqt_openmp)
  target_precompile_headers(${target} PRIVATE ${ARGN})
endfunction()
