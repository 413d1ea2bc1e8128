# Installs the headers and a package config, for find_package(pefa) from an install tree or straight from this build tree.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/pefa")
set(build_package_dir "${CMAKE_CURRENT_BINARY_DIR}/cmake")

configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/pefa-config.cmake.in" "${build_package_dir}/pefa-config.cmake"
                              INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file("${build_package_dir}/pefa-config-version.cmake" COMPATIBILITY SameMinorVersion
                                 ARCH_INDEPENDENT)
configure_file("${CMAKE_CURRENT_LIST_DIR}/Findhnswlib.cmake" "${build_package_dir}/Findhnswlib.cmake" COPYONLY)

install(TARGETS pefa EXPORT pefa-targets)
export(EXPORT pefa-targets NAMESPACE pefa:: FILE "${build_package_dir}/pefa-targets.cmake")
install(EXPORT pefa-targets NAMESPACE pefa:: DESTINATION "${package_dir}")
install(DIRECTORY include/pefa DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(FILES "${build_package_dir}/pefa-config.cmake" "${build_package_dir}/pefa-config-version.cmake"
              "${build_package_dir}/Findhnswlib.cmake" DESTINATION "${package_dir}")
install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DOCDIR}")
