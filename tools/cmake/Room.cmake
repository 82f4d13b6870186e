# One room, one static library `tenon_NAME`: every .cpp of the folder, linked PRIVATE to the rooms
# it may see. A room that is still empty is an INTERFACE library, so that its neighbours link.
#   tenon_room(ir LINKS support)
#   tenon_room(interp LINKS ir runtime kernels)          links the targets tenon_ir, ...
#   tenon_room(repl LINKS embed EXCLUDE main.cpp)        a file that is not part of the library
function(tenon_room name)
  cmake_parse_arguments(ROOM "" "" "LINKS;EXCLUDE;SOURCES" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  foreach(excluded ${ROOM_EXCLUDE})
    list(FILTER sources EXCLUDE REGEX "/${excluded}$")
  endforeach()
  list(APPEND sources ${ROOM_SOURCES})
  list(TRANSFORM ROOM_LINKS PREPEND tenon_)
  if(sources)
    add_library(tenon_${name} STATIC ${sources})
    target_include_directories(tenon_${name} PRIVATE ${PROJECT_SOURCE_DIR})
    target_link_libraries(tenon_${name} PRIVATE ${ROOM_LINKS})
  else()
    add_library(tenon_${name} INTERFACE)
    target_link_libraries(tenon_${name} INTERFACE ${ROOM_LINKS})
  endif()
endfunction()

# target_link_libraries for a room, which may still be empty.
function(tenon_room_links name visibility)
  get_target_property(type tenon_${name} TYPE)
  if(type STREQUAL "INTERFACE_LIBRARY")
    set(visibility INTERFACE)
  endif()
  target_link_libraries(tenon_${name} ${visibility} ${ARGN})
endfunction()

# A program of one file, which names the rooms it links in a line near its top:
#   // rooms: support frontend
function(tenon_program target source)
  file(STRINGS ${source} rooms LIMIT_COUNT 1 REGEX "^// rooms:")
  if(NOT rooms)
    message(FATAL_ERROR "${source}: a line '// rooms: support ...' near the top is missing")
  endif()
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
  string(REGEX REPLACE "^// rooms: *" "" rooms "${rooms}")
  string(REGEX MATCHALL "[a-z_]+" rooms "${rooms}")
  list(TRANSFORM rooms PREPEND tenon_)
  add_executable(${target} ${source})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${target} PRIVATE ${rooms} Threads::Threads)
endfunction()
