# Installs the headers and a package config, for find_package(pefa) from an install tree or straight from this build tree.
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/pefa")
set(build_package_dir "${CMAKE_CURRENT_BINARY_DIR}/cmake")

string(TOUPPER "${CMAKE_BUILD_TYPE}" build_type)
set(compiled_name "${CMAKE_STATIC_LIBRARY_PREFIX}pefa_compiled${CMAKE_${build_type}_POSTFIX}${CMAKE_STATIC_LIBRARY_SUFFIX}")
set(compiled_library "${CMAKE_INSTALL_LIBDIR}/${compiled_name}")
set(compiled_build_library "${CMAKE_CURRENT_BINARY_DIR}/${compiled_name}")
configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/pefa-config.cmake.in" "${build_package_dir}/pefa-config.cmake"
                              INSTALL_DESTINATION "${package_dir}" PATH_VARS compiled_library)
set(architecture ARCH_INDEPENDENT)
if(TARGET pefa_compiled)
  set(architecture "")  # a library is of one
endif()
write_basic_package_version_file("${build_package_dir}/pefa-config-version.cmake" COMPATIBILITY SameMinorVersion
                                 ${architecture})
configure_file("${CMAKE_CURRENT_LIST_DIR}/Findhnswlib.cmake" "${build_package_dir}/Findhnswlib.cmake" COPYONLY)

install(TARGETS pefa EXPORT pefa-targets)
export(EXPORT pefa-targets NAMESPACE pefa:: FILE "${build_package_dir}/pefa-targets.cmake")
install(EXPORT pefa-targets NAMESPACE pefa:: DESTINATION "${package_dir}")
if(TARGET pefa_compiled)
  # A set of its own, as it may not have been built: the package config looks for the library first.
  install(TARGETS pefa_compiled EXPORT pefa-compiled-targets ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" OPTIONAL)
  export(EXPORT pefa-compiled-targets NAMESPACE pefa:: FILE "${build_package_dir}/pefa-compiled-build.cmake")
  install(EXPORT pefa-compiled-targets NAMESPACE pefa:: DESTINATION "${package_dir}")
else()
  file(REMOVE "${build_package_dir}/pefa-compiled-build.cmake")  # of a time when it was built here
endif()
install(DIRECTORY include/pefa DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(FILES "${build_package_dir}/pefa-config.cmake" "${build_package_dir}/pefa-config-version.cmake"
              "${build_package_dir}/Findhnswlib.cmake" DESTINATION "${package_dir}")
install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DOCDIR}")
