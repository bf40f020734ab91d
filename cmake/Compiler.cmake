# Targets that carry compiler flags:
#   tenantd_flags        what every object needs (features, sanitizers, hardening)
#   tenantd_warnings     the warning list of our own code; never for generated files
#   tenantd_frame_limit  the stack frame limit of code that runs on connection threads

include(CheckCCompilerFlag)

# add_probed_flags(<target> <flag>...): adds each flag that this compiler knows. All are tried
# together first, so that the usual compiler costs one probe and not thirty.
function(add_probed_flags target)
  # Without -Werror clang only warns about a flag it does not know.
  set(CMAKE_REQUIRED_FLAGS "-Werror")
  list(JOIN ARGN " " together)
  string(MD5 digest "${together}")
  set(CMAKE_REQUIRED_QUIET ON)
  check_c_compiler_flag("${together}" TENANTD_HAVE_FLAGS_${digest})
  set(CMAKE_REQUIRED_QUIET OFF)
  if(TENANTD_HAVE_FLAGS_${digest})
    target_compile_options(${target} INTERFACE ${ARGN})
    return()
  endif()
  foreach(flag IN LISTS ARGN)
    string(MAKE_C_IDENTIFIER "TENANTD_HAVE${flag}" have)
    check_c_compiler_flag("${flag}" ${have})
    if(${have})
      target_compile_options(${target} INTERFACE "${flag}")
    endif()
  endforeach()
endfunction()

# ---- flags of every object -----------------------------------------------------------------

add_library(tenantd_flags INTERFACE)
target_compile_definitions(tenantd_flags INTERFACE _GNU_SOURCE)
target_compile_options(tenantd_flags INTERFACE -fPIE -fno-common)
target_link_options(tenantd_flags INTERFACE -pie)

if(TENANTD_SANITIZE)
  set(sanitize "-fsanitize=${TENANTD_SANITIZE}")
  target_compile_options(tenantd_flags INTERFACE
                         ${sanitize} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  # The fuzz targets alone take libFuzzer's main.
  string(REPLACE "fuzzer-no-link," "" link_sanitize "${sanitize}")
  target_link_options(tenantd_flags INTERFACE ${link_sanitize})
endif()

if(TENANTD_HARDEN)
  target_compile_options(tenantd_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
  add_probed_flags(tenantd_flags -fstack-protector-strong -fstack-clash-protection
                   -fcf-protection -ftrivial-auto-var-init=zero)
  target_link_options(tenantd_flags INTERFACE
                      LINKER:-z,relro LINKER:-z,now LINKER:-z,noexecstack LINKER:-z,separate-code)
endif()

if(TENANTD_COVERAGE)
  target_compile_options(tenantd_flags INTERFACE --coverage -fprofile-update=atomic)
  target_link_options(tenantd_flags INTERFACE --coverage)
endif()

# ---- warnings of our own code --------------------------------------------------------------

add_library(tenantd_warnings INTERFACE)
add_probed_flags(tenantd_warnings
  -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wstrict-prototypes
  -Wmissing-prototypes -Wold-style-definition -Wvla -Wundef -Wformat=2 -Wcast-qual
  -Wwrite-strings -Wpointer-arith -Wswitch-enum -Wimplicit-fallthrough -Wnull-dereference
  -Wdouble-promotion -Wredundant-decls
  # known to gcc only
  -Wlogical-op -Wduplicated-cond -Wduplicated-branches -Wcast-align=strict -Walloca
  -Wformat-signedness
  # errors in every build: none of these is ever meant
  -Werror=implicit -Werror=return-type -Werror=incompatible-pointer-types
  -Werror=int-conversion -Werror=discarded-qualifiers
  -Werror=shift-count-overflow -Werror=shift-count-negative -Werror=format-security)
if(TENANTD_WERROR)
  target_compile_options(tenantd_warnings INTERFACE -Werror)
endif()

# ---- stack frames --------------------------------------------------------------------------

# CivetWeb's threads have 100 KiB. Sanitizers widen frames, so only plain builds can check.
add_library(tenantd_frame_limit INTERFACE)
if(NOT TENANTD_SANITIZE AND NOT TENANTD_COVERAGE)
  add_probed_flags(tenantd_frame_limit -Werror=frame-larger-than=8192)
endif()

# ---- analyzers -----------------------------------------------------------------------------

if(TENANTD_ANALYZE)
  # clang-tidy reads the compiler's command line and refuses -fanalyzer: a launcher hides it.
  set(CMAKE_C_COMPILER_LAUNCHER "${PROJECT_SOURCE_DIR}/cmake/with-analyzer")
  find_program(clang_tidy clang-tidy REQUIRED)
  find_program(cppcheck cppcheck REQUIRED)
  set(CMAKE_C_CLANG_TIDY "${clang_tidy};--quiet;--extra-arg=-Wno-unknown-warning-option")
  set(CMAKE_C_CPPCHECK "${cppcheck};--quiet;--std=c11;--inline-suppr;--suppress=missingIncludeSystem"
                       "--enable=warning,performance,portability")
endif()
