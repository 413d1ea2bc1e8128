# The API reference: cmake --build build/release --target docs, then open build/release/docs/html/index.html. A public name
# without a word said of it is a warning, and warnings are errors.
find_package(Doxygen QUIET)
if(NOT DOXYGEN_FOUND)
  message(STATUS "doxygen not found: the target docs is left out")
  return()
endif()

set(DOXYGEN_PROJECT_BRIEF "Parameter-free adapters for frozen embedding models")
set(DOXYGEN_USE_MDFILE_AS_MAINPAGE "${PROJECT_SOURCE_DIR}/README.md")
set(DOXYGEN_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/docs")
set(DOXYGEN_STRIP_FROM_PATH "${PROJECT_SOURCE_DIR}/include")
set(DOXYGEN_STRIP_FROM_INC_PATH "${PROJECT_SOURCE_DIR}/include")
set(DOXYGEN_FILE_PATTERNS *.hpp *.md)
set(DOXYGEN_EXCLUDE_SYMBOLS "pefa::detail" "pefa::detail::*" "pefa::io::detail" "pefa::io::detail::*" "pefa::live::detail"
                            "pefa::live::detail::*" "pefa::simd::detail"
                            "std" "std::*" "Eigen" "Eigen::*")
set(DOXYGEN_EXTENSION_MAPPING "hpp=C++")
set(DOXYGEN_JAVADOC_AUTOBRIEF YES)
set(DOXYGEN_QT_AUTOBRIEF YES)
set(DOXYGEN_MARKDOWN_SUPPORT YES)
set(DOXYGEN_GENERATE_LATEX NO)
set(DOXYGEN_HAVE_DOT NO)
set(DOXYGEN_QUIET YES)
set(DOXYGEN_EXTRACT_STATIC YES)
set(DOXYGEN_HIDE_UNDOC_MEMBERS NO)
set(DOXYGEN_WARN_IF_UNDOCUMENTED YES)
set(DOXYGEN_WARN_IF_DOC_ERROR YES)
set(DOXYGEN_WARN_IF_INCOMPLETE_DOC NO)  # a parameter whose name says it all needs no line
set(DOXYGEN_WARN_NO_PARAMDOC NO)
set(DOXYGEN_WARN_AS_ERROR FAIL_ON_WARNINGS)
doxygen_add_docs(docs "${PROJECT_SOURCE_DIR}/include/pefa" "${PROJECT_SOURCE_DIR}/README.md"
                 # those it links to
                 "${PROJECT_SOURCE_DIR}/benchmarks/README.md" "${PROJECT_SOURCE_DIR}/examples/README.md"
                 "${PROJECT_SOURCE_DIR}/examples/encode/README.md"
                 COMMENT "Making the API reference")
