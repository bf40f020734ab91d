# The target `headers` compiles every header of ours alone, twice included.

file(GLOB tenantd_headers CONFIGURE_DEPENDS RELATIVE "${PROJECT_SOURCE_DIR}"
     app/*.h commands/*.h middleware/*.h handlers/*.h models/*.h models/migrations/*.h)

set(header_sources "")
foreach(header IN LISTS tenantd_headers)
  set(source "${PROJECT_BINARY_DIR}/headers/${header}.c")
  set(line "#include \"${header}\"\n")
  file(CONFIGURE OUTPUT "${source}" CONTENT "${line}${line}typedef int not_empty;\n" @ONLY)
  list(APPEND header_sources "${source}")
endforeach()

if(header_sources)
  add_library(headers OBJECT EXCLUDE_FROM_ALL ${header_sources})
  target_include_directories(headers PRIVATE "${PROJECT_SOURCE_DIR}")
  target_link_libraries(headers PRIVATE tenantd_flags tenantd_dependencies tenantd_warnings)
else()
  add_custom_target(headers)
endif()
