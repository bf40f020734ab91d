# common_passwords(<target>): an object library with the table of common passwords, made by
# cmake/common_passwords.py and declared in models/password_policy.h.

function(common_passwords target)
  set(output "${PROJECT_BINARY_DIR}/common_passwords.c")
  set(generator "${PROJECT_SOURCE_DIR}/cmake/common_passwords.py")
  add_custom_command(
    OUTPUT "${output}"
    COMMAND Python3::Interpreter "${generator}" "${output}"
    DEPENDS "${generator}"
    COMMENT "Making the table of common passwords"
    VERBATIM)

  add_library(${target} OBJECT "${output}")
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}")
  target_link_libraries(${target} PRIVATE tenantd_flags)
  set_target_properties(${target} PROPERTIES C_CLANG_TIDY "" C_CPPCHECK "")
endfunction()
