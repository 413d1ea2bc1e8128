# Configures, builds and runs tests/consumer/project against pefa taken one way: from an install tree of the whole build,
# or of a build of the headers alone as the README has it, from a build tree, or by add_subdirectory. The other two modes
# look at what is installed of the command where it was built, and where it was not.
# cmake -DMODE=installed|headers_only|build_tree|add_subdirectory|command|command_not_built -DSOURCE_DIR= -DBUILD_DIR=
#       -DWORK_DIR= -DCXX= -DHELP2MAN= -P run.cmake
function(run)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${ARGV}\nended with ${result}:\n${output}")
  endif()
endfunction()

# The files of the command in an install tree: all that belong to it, or none.
function(require_command prefix is_there)
  set(files bin/pefa share/bash-completion/completions/pefa)
  if(HELP2MAN)
    list(APPEND files share/man/man1/pefa.1)
  endif()
  foreach(file IN LISTS files)
    if(is_there AND NOT EXISTS "${prefix}/${file}")
      message(FATAL_ERROR "${file} is not installed, though the command was built")
    elseif(NOT is_there AND EXISTS "${prefix}/${file}")
      message(FATAL_ERROR "${file} is installed, though the command was not built")
    endif()
  endforeach()
endfunction()

file(REMOVE_RECURSE "${WORK_DIR}")
set(arguments "-DCMAKE_CXX_COMPILER=${CXX}" -DCMAKE_BUILD_TYPE=None)  # with assertions, without debug information
if(MODE STREQUAL "command")
  run("${CMAKE_COMMAND}" --install "${BUILD_DIR}" --prefix "${WORK_DIR}/prefix")
  require_command("${WORK_DIR}/prefix" TRUE)
  return()
elseif(MODE STREQUAL "command_not_built")
  run("${CMAKE_COMMAND}" -S "${SOURCE_DIR}" -B "${WORK_DIR}/pefa" ${arguments} -DPEFA_BUILD_TESTS=OFF
      -DPEFA_BUILD_BENCHMARKS=OFF)
  run("${CMAKE_COMMAND}" --install "${WORK_DIR}/pefa" --prefix "${WORK_DIR}/prefix")
  require_command("${WORK_DIR}/prefix" FALSE)
  return()
elseif(MODE STREQUAL "headers_only")
  run("${CMAKE_COMMAND}" -S "${SOURCE_DIR}" -B "${WORK_DIR}/pefa" ${arguments} -DPEFA_BUILD_EXAMPLES=OFF
      -DPEFA_BUILD_TESTS=OFF -DPEFA_BUILD_BENCHMARKS=OFF -DPEFA_BUILD_COMPILED=OFF)
  run("${CMAKE_COMMAND}" --install "${WORK_DIR}/pefa" --prefix "${WORK_DIR}/prefix")
  require_command("${WORK_DIR}/prefix" FALSE)
  list(APPEND arguments "-DCMAKE_PREFIX_PATH=${WORK_DIR}/prefix" -DPEFA_TAKEN_BY=headers_only)
elseif(MODE STREQUAL "installed")
  run("${CMAKE_COMMAND}" --install "${BUILD_DIR}" --prefix "${WORK_DIR}/prefix")
  list(APPEND arguments "-DCMAKE_PREFIX_PATH=${WORK_DIR}/prefix" "-DPEFA_TAKEN_BY=${MODE}")
elseif(MODE STREQUAL "build_tree")
  list(APPEND arguments "-Dpefa_DIR=${BUILD_DIR}/cmake" "-DPEFA_TAKEN_BY=${MODE}")
elseif(MODE STREQUAL "add_subdirectory")
  list(APPEND arguments -DPEFA_TAKEN_BY=add_subdirectory "-DPEFA_SOURCE_DIR=${SOURCE_DIR}")
else()
  message(FATAL_ERROR "MODE is '${MODE}', expected one of those above")
endif()

run("${CMAKE_COMMAND}" -S "${SOURCE_DIR}/tests/consumer/project" -B "${WORK_DIR}/build" ${arguments})
if(MODE STREQUAL "headers_only")
  return()  # what is installed is the same as of the whole build: enough that it is found
endif()
run("${CMAKE_COMMAND}" --build "${WORK_DIR}/build")
run("${WORK_DIR}/build/consumer")
