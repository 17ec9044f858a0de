# vqt::torch: torch's headers and libraries as an imported target of our own.
# find_package(Torch) is not used: the CUDA wheel's package stops with an error where no CUDA toolkit is installed.
# VQT_TORCH_DIR is the folder that holds include/ and lib/; without it, python (first .venv's) is asked.
if(TARGET vqt::torch)
  return()
endif()

if(NOT VQT_TORCH_DIR)
  find_program(VQT_PYTHON NAMES python3 python HINTS ${CMAKE_SOURCE_DIR}/.venv/bin NO_DEFAULT_PATH)
  find_program(VQT_PYTHON NAMES python3 python)
  if(VQT_PYTHON)
    execute_process(
      COMMAND ${VQT_PYTHON} -c "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')"
      OUTPUT_VARIABLE _vqt_torch OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
  if(NOT _vqt_torch)
    message(FATAL_ERROR "vqt: torch not found. Install it (pip install torch==2.11.0) or pass -DVQT_TORCH_DIR=<folder with include/ and lib/>.")
  endif()
  set(VQT_TORCH_DIR ${_vqt_torch} CACHE PATH "Folder with torch's include/ and lib/" FORCE)
endif()
foreach(_file include/torch/script.h lib/libtorch_cpu.so lib/libc10.so include/torch/headeronly/version.h)
  if(NOT EXISTS ${VQT_TORCH_DIR}/${_file})
    message(FATAL_ERROR "vqt: VQT_TORCH_DIR=${VQT_TORCH_DIR} has no ${_file}; expected the torch folder of a wheel or of the LibTorch zip.")
  endif()
endforeach()
file(STRINGS ${VQT_TORCH_DIR}/include/torch/headeronly/version.h _vqt_version REGEX "define TORCH_VERSION_(MAJOR|MINOR) ")
string(REGEX REPLACE "[^0-9]*([0-9]+)[^0-9]+([0-9]+).*" "\\1.\\2" VQT_TORCH_VERSION "${_vqt_version}")
if(NOT VQT_TORCH_VERSION STREQUAL "2.11")
  message(FATAL_ERROR "vqt: torch 2.11 is needed, ${VQT_TORCH_DIR} holds ${VQT_TORCH_VERSION}.")
endif()
message(STATUS "vqt: torch ${VQT_TORCH_VERSION} in ${VQT_TORCH_DIR}")

foreach(_lib c10 torch_cpu)
  add_library(vqt_imported_${_lib} SHARED IMPORTED GLOBAL)
  set_target_properties(vqt_imported_${_lib} PROPERTIES IMPORTED_LOCATION ${VQT_TORCH_DIR}/lib/lib${_lib}.so)
endforeach()
add_library(vqt::torch INTERFACE IMPORTED GLOBAL)
target_include_directories(vqt::torch SYSTEM INTERFACE
  ${VQT_TORCH_DIR}/include ${VQT_TORCH_DIR}/include/torch/csrc/api/include)
target_link_libraries(vqt::torch INTERFACE vqt_imported_torch_cpu vqt_imported_c10)
# The CUDA wheel's libraries sit beside torch; their own RPATHs find them at run time, the linker need not look.
target_link_options(vqt::torch INTERFACE -Wl,--allow-shlib-undefined)
