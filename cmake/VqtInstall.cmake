# cmake --install: libraries, headers, binaries and a package that find_package(vqt) finds.
