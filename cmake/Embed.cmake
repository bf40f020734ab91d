# embed_templates(<target> <directory>): an object library with the files below <directory> as C
# data. A new, changed or removed template rebuilds it; its index is declared in app/embed.h.

function(embed_templates target directory)
  set(patterns "")
  foreach(kind html css svg js txt)
    list(APPEND patterns "${directory}/*.${kind}")
  endforeach()
  file(GLOB_RECURSE templates CONFIGURE_DEPENDS ${patterns})

  # The list goes through a file, so that a removed template changes a dependency too.
  set(output "${PROJECT_BINARY_DIR}/templates_data.c")
  set(list_file "${output}.list")
  list(JOIN templates "\n" lines)
  file(CONFIGURE OUTPUT "${list_file}" CONTENT "${lines}\n" @ONLY)

  set(generator "${PROJECT_SOURCE_DIR}/cmake/embed.py")
  add_custom_command(
    OUTPUT "${output}"
    COMMAND Python3::Interpreter "${generator}" "${directory}" "${list_file}" "${output}"
    DEPENDS "${generator}" "${list_file}" ${templates}
    COMMENT "Embedding templates"
    VERBATIM)

  add_library(${target} OBJECT "${output}")
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}")
  target_link_libraries(${target} PRIVATE tenantd_flags)
  set_target_properties(${target} PROPERTIES C_CLANG_TIDY "" C_CPPCHECK "")
endfunction()
