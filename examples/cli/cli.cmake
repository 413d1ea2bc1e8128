# The pefa command, its man page and its bash completion.
# The commands are compiled in two lots, in a third of the time that they take one by one. The retrievers come from
# pefa::compiled, or are one source more.
set(cli_answers cli/bench_command.cpp cli/build_command.cpp cli/compare_command.cpp cli/eval_command.cpp cli/main.cpp
                cli/measure.cpp cli/output.cpp cli/report.cpp cli/search_arguments.cpp cli/source.cpp
                cli/spec_options.cpp cli/tune_command.cpp cli/tuned_file.cpp cli/unknown_option.cpp)
set(cli_files cli/conditions.cpp cli/convert_command.cpp cli/data_files.cpp cli/engine_folder.cpp cli/engine_texts.cpp
              cli/export_sql_command.cpp cli/export_xs_command.cpp cli/fuse_command.cpp cli/info_command.cpp
              cli/interrupt.cpp cli/progress_bar.cpp cli/results_file.cpp cli/search_command.cpp)
set(cli_live cli/live_command.cpp cli/live_events.cpp cli/live_folder.cpp cli/live_init.cpp cli/live_search.cpp
             cli/live_upkeep.cpp)
add_executable(pefa_cli ${cli_answers} ${cli_files} ${cli_live})
if(TARGET pefa_compiled)
  target_link_libraries(pefa_cli PRIVATE pefa_compiled)
else()
  target_sources(pefa_cli PRIVATE cli/serve_impl.cpp)
endif()
set_target_properties(pefa_cli PROPERTIES OUTPUT_NAME pefa UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
set_source_files_properties(${cli_answers} PROPERTIES UNITY_GROUP answers)
set_source_files_properties(${cli_files} ${cli_live} PROPERTIES UNITY_GROUP files)
target_link_libraries(pefa_cli PRIVATE pefa::pefa CLI11::CLI11 nlohmann_json::nlohmann_json fmt::fmt)

# SciPy's .npz. Debian's libzip-config.cmake asks for tools that its -dev package lacks, so it is looked for by hand.
find_path(LIBZIP_INCLUDE_DIR zip.h)
find_library(LIBZIP_LIBRARY zip)
mark_as_advanced(LIBZIP_INCLUDE_DIR LIBZIP_LIBRARY)
if(LIBZIP_INCLUDE_DIR AND LIBZIP_LIBRARY)
  target_include_directories(pefa_cli SYSTEM PRIVATE "${LIBZIP_INCLUDE_DIR}")
  target_link_libraries(pefa_cli PRIVATE "${LIBZIP_LIBRARY}")
  target_compile_definitions(pefa_cli PRIVATE PEFA_HAS_LIBZIP=1)
else()
  message(STATUS "libzip not found: the pefa command does not read or write .npz relevance (libzip-dev)")
endif()

if(PEFA_INSTALL)
  include(GNUInstallDirs)
  # The completion and the man page are made when the command is linked, and only what was made is installed: they come
  # with the command or not at all. A user of the headers can install those without building it.
  set(completion "${CMAKE_CURRENT_BINARY_DIR}/pefa.bash")
  add_custom_command(TARGET pefa_cli POST_BUILD VERBATIM
                     COMMAND "${CMAKE_COMMAND}" -E copy "${CMAKE_CURRENT_SOURCE_DIR}/cli/pefa.bash" "${completion}")
  install(TARGETS pefa_cli RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" OPTIONAL)
  install(FILES "${completion}" DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions" RENAME pefa OPTIONAL)

  # The man page has the text of --help and of every subcommand's.
  find_program(HELP2MAN help2man)
  mark_as_advanced(HELP2MAN)
  if(HELP2MAN AND NOT CMAKE_CROSSCOMPILING)
    set(man_page "${CMAKE_CURRENT_BINARY_DIR}/pefa.1")
    add_custom_command(
      TARGET pefa_cli POST_BUILD VERBATIM
      COMMAND "${HELP2MAN}" --no-info --section=1 --help-option=--help-all
              "--name=parameter-free adapters for embedding-based retrieval"
              "--include=${CMAKE_CURRENT_SOURCE_DIR}/cli/pefa.h2m" "--output=${man_page}" $<TARGET_FILE:pefa_cli>
      COMMENT "Making pefa.1 from pefa --help-all")
    install(FILES "${man_page}" DESTINATION "${CMAKE_INSTALL_MANDIR}/man1" OPTIONAL)
  else()
    message(STATUS "help2man not found: the man page of the pefa command is left out")
  endif()
  # Both are made again when what they are made from changes.
  set_property(TARGET pefa_cli APPEND PROPERTY LINK_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/cli/pefa.bash"
                                               "${CMAKE_CURRENT_SOURCE_DIR}/cli/pefa.h2m")
endif()
