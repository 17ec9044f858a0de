# cmake --install: libraries, headers, binaries and the package that find_package(vqt) finds (with or without CUDA there).
include(CMakePackageConfigHelpers)

set(VQT_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/vqt)
install(TARGETS vqt_ops vqt_passes EXPORT vqtTargets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS vqt-quantize RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
if(TARGET vqt-eval)
  install(TARGETS vqt-eval RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
if(TARGET vqt_python_c)  # lib on sys.path is all that `import vqt` needs
  install(TARGETS vqt_python_c LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/vqt)
  install(DIRECTORY python/vqt/ DESTINATION ${CMAKE_INSTALL_LIBDIR}/vqt FILES_MATCHING PATTERN "*.py")
  install(FILES ${VQT_BUILT_FOR} DESTINATION ${CMAKE_INSTALL_LIBDIR}/vqt)
endif()
install(DIRECTORY ops/include/vqt passes/include/vqt DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(EXPORT vqtTargets NAMESPACE vqt:: DESTINATION ${VQT_CMAKE_DIR})
configure_package_config_file(cmake/vqtConfig.cmake.in ${CMAKE_BINARY_DIR}/vqtConfig.cmake INSTALL_DESTINATION ${VQT_CMAKE_DIR})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/vqtConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/vqtConfig.cmake ${CMAKE_BINARY_DIR}/vqtConfigVersion.cmake cmake/VqtTorch.cmake
        DESTINATION ${VQT_CMAKE_DIR})
