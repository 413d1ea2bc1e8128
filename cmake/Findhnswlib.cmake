# Finds hnswlib: by its own package config where it has one (0.8 and later), else by its headers (Debian's libhnswlib-dev).
# Defines the imported target hnswlib::hnswlib.
find_package(hnswlib CONFIG QUIET)
if(TARGET hnswlib::hnswlib)
  set(hnswlib_FOUND TRUE)
  return()
endif()

find_path(HNSWLIB_INCLUDE_DIR hnswlib/hnswlib.h)
mark_as_advanced(HNSWLIB_INCLUDE_DIR)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(hnswlib REQUIRED_VARS HNSWLIB_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "install libhnswlib-dev, or set HNSWLIB_INCLUDE_DIR to the folder that holds hnswlib/hnswlib.h")
if(hnswlib_FOUND AND NOT TARGET hnswlib::hnswlib)
  add_library(hnswlib::hnswlib INTERFACE IMPORTED)
  target_include_directories(hnswlib::hnswlib INTERFACE "${HNSWLIB_INCLUDE_DIR}")
  # What pefa/index/hnswlib_headers.hpp cannot see from the preprocessor: 0.7 differs from 0.6 in its globals' linkage.
  file(STRINGS "${HNSWLIB_INCLUDE_DIR}/hnswlib/hnswlib.h" static_globals REGEX "^static bool AVXCapable")
  if(static_globals AND NOT EXISTS "${HNSWLIB_INCLUDE_DIR}/hnswlib/stop_condition.h")
    target_compile_definitions(hnswlib::hnswlib INTERFACE PEFA_HNSWLIB_0_7)
  endif()
endif()
