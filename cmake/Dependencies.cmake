# Finds every library the service is linked with and says in one message what is missing.
# Result: the target tenantd_dependencies. All headers of others count as system headers.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(Python3 3.9 REQUIRED COMPONENTS Interpreter)

add_library(tenantd_dependencies INTERFACE)
target_link_libraries(tenantd_dependencies INTERFACE Threads::Threads m)
set(tenantd_missing "")

# need(<name> <pkg-config module with its least version>)
function(need name module)
  pkg_check_modules(${name} QUIET IMPORTED_TARGET "${module}")
  if(${name}_FOUND)
    target_link_libraries(tenantd_dependencies INTERFACE PkgConfig::${name})
  else()
    set(tenantd_missing "${tenantd_missing}\n  ${module}" PARENT_SCOPE)
  endif()
endfunction()

# need_plain(<library> <header>): for libraries that ship no pkg-config file.
function(need_plain library header)
  find_library(${library}_LIBRARY NAMES ${library})
  find_path(${library}_INCLUDE_DIR NAMES ${header})
  mark_as_advanced(${library}_LIBRARY ${library}_INCLUDE_DIR)
  if(${library}_LIBRARY AND ${library}_INCLUDE_DIR)
    target_link_libraries(tenantd_dependencies INTERFACE "${${library}_LIBRARY}")
    target_include_directories(tenantd_dependencies SYSTEM INTERFACE "${${library}_INCLUDE_DIR}")
  else()
    set(tenantd_missing "${tenantd_missing}\n  lib${library} with ${header}" PARENT_SCOPE)
  endif()
endfunction()

need(mongoc "libmongoc-1.0>=1.23")
need(bson "libbson-1.0>=1.23")
need(jwt "libjwt>=1.10")
need(xcrypt "libxcrypt>=4.4")
need(yaml "yaml-0.1>=0.2")
need(jansson "jansson>=2.13")
need(sodium "libsodium>=1.0.18")
need(crypto "libcrypto>=3.0")
need(pcre2 "libpcre2-8>=10.40")
need(idn2 "libidn2>=2.3")
need_plain(unistring uninorm.h)
need_plain(civetweb civetweb.h)

# Loaded by the first request to somebody else (app/fetch_library.h): only its headers are needed here.
pkg_check_modules(curl QUIET "libcurl>=7.85")
if(curl_FOUND)
  target_include_directories(tenantd_dependencies SYSTEM INTERFACE ${curl_INCLUDE_DIRS})
  target_link_libraries(tenantd_dependencies INTERFACE ${CMAKE_DL_LIBS})
else()
  string(APPEND tenantd_missing "\n  libcurl>=7.85")
endif()

if(tenantd_missing)
  message(FATAL_ERROR "Missing libraries (deploy/packages.txt names the packages):${tenantd_missing}")
endif()
