# Common compile settings and the three helpers every room uses:
#
#   edged_room(NAME [DEPENDS target...])     static library edged_NAME of all *.c here but *_test.c, *.bpf.c and main.c
#   edged_program(NAME [DEPENDS target...])  executable of main.c here, put into bin/
#   edged_unit_tests([DEPENDS target...])    one cmocka program for each *_test.c here

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()

option(EDGED_SANITIZE "Build with AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
option(EDGED_TESTS "Build the unit tests" ON)
option(EDGED_FUZZ "Build the libFuzzer harnesses (clang)" OFF)

add_compile_options(
  -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla
  -Wwrite-strings -Wformat=2 -Wno-unused-parameter -fno-strict-aliasing -fno-common)
add_compile_definitions(_GNU_SOURCE EDGED_VERSION="${PROJECT_VERSION}")
if(EDGED_FUZZ) # clang only; -O2, since a fuzzer is worth its runs
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
    -fno-omit-frame-pointer -O2 -g -Wno-error)
  add_link_options(-fsanitize=address,undefined)
  add_compile_definitions(EDGED_SANITIZE=1)
elseif(EDGED_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -O1 -g)
  add_link_options(-fsanitize=address,undefined)
  add_compile_definitions(EDGED_SANITIZE=1)
else()
  add_compile_options(-fstack-protector-strong -fPIE -fno-plt)
  add_link_options(-pie -Wl,-z,relro,-z,now)
  if(CMAKE_BUILD_TYPE MATCHES "Rel")
    add_compile_definitions(_FORTIFY_SOURCE=2)
  endif()
endif()

# Asserts stay on in every build: a worker that meets our own mistake dies and is started again, which
# costs its own connections; going on would cost more.
foreach(kind RELEASE RELWITHDEBINFO MINSIZEREL)
  string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_${kind} "${CMAKE_C_FLAGS_${kind}}")
endforeach()

find_package(PkgConfig REQUIRED)
find_package(OpenSSL 3.0 REQUIRED) # here, so that every directory sees its targets

function(edged_room name)
  cmake_parse_arguments(A "" "" "DEPENDS" ${ARGN})
  file(GLOB srcs CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.c)
  list(FILTER srcs EXCLUDE REGEX "_test\\.c$")
  list(FILTER srcs EXCLUDE REGEX "/main\\.c$")
  list(FILTER srcs EXCLUDE REGEX "\\.bpf\\.c$")
  set(scope PUBLIC)
  if(srcs)
    add_library(edged_${name} STATIC ${srcs})
  else() # headers only
    add_library(edged_${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(edged_${name} ${scope} ${CMAKE_SOURCE_DIR}/edged)
  target_link_libraries(edged_${name} ${scope} ${A_DEPENDS})
endfunction()

function(edged_program name)
  cmake_parse_arguments(A "" "" "DEPENDS" ${ARGN})
  add_executable(${name} ${CMAKE_CURRENT_SOURCE_DIR}/main.c)
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/edged)
  target_link_libraries(${name} PRIVATE ${A_DEPENDS})
endfunction()

function(edged_unit_tests)
  if(NOT EDGED_TESTS)
    return()
  endif()
  cmake_parse_arguments(A "" "" "DEPENDS" ${ARGN})
  pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
  file(GLOB srcs CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*_test.c)
  file(RELATIVE_PATH room ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
  string(REPLACE "/" "_" room "${room}")
  foreach(src ${srcs})
    get_filename_component(base ${src} NAME_WE)
    set(t ${room}_${base})
    add_executable(${t} ${src})
    set_target_properties(${t} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test-bin)
    target_include_directories(${t} PRIVATE ${CMAKE_SOURCE_DIR}/edged ${CMAKE_SOURCE_DIR}/test/harness)
    target_link_libraries(${t} PRIVATE ${A_DEPENDS} PkgConfig::CMOCKA)
    add_test(NAME ${t} COMMAND ${t} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  endforeach()
endfunction()
