# libcdul, the layers without the trainer as one shared library, and what other programs find it by: headers,
# pkg-config (cdul.pc) and a CMake package (find_package(cdul), target cdul::cdul).
set(layers base image onnx tokenizer encoder_folder encoder labels label predict eval report)
list(TRANSFORM layers REPLACE "(.+)" "$<TARGET_OBJECTS:cdul_\\1>" OUTPUT_VARIABLE objects)
add_library(cdul SHARED ${objects})
set_target_properties(cdul PROPERTIES
    LINKER_LANGUAGE C
    VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}) # before 1.0 every minor version may break programs
cdul_install_paths(cdul ${CMAKE_INSTALL_FULL_LIBDIR})
target_link_libraries(cdul PRIVATE
    PkgConfig::CJSON PkgConfig::JPEG PkgConfig::PNG PkgConfig::WEBP PkgConfig::WEBPDEMUX PkgConfig::UTF8PROC
    PkgConfig::XXHASH PkgConfig::EXPAT ONNXRuntime::ONNXRuntime OpenMP::OpenMP_C Threads::Threads m)
target_include_directories(cdul PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
cdul_compile_options(cdul)
if(NOT CDUL_SANITIZE) # whose runtime comes with the program
    target_link_options(cdul PRIVATE -Wl,--no-undefined)
endif()

# The library exports the functions that its headers declare, and no others.
file(GLOB headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/cdul/*.h)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${headers})
set(exports "")
foreach(header ${headers})
    file(READ ${header} text)
    string(REGEX MATCHALL "cdul_[a-z0-9_]+\\(" functions "${text}")
    list(APPEND exports ${functions})
endforeach()
list(REMOVE_DUPLICATES exports)
list(JOIN exports " " exports)
string(REPLACE "(" ";" exports "${exports}")
set(map ${CMAKE_CURRENT_BINARY_DIR}/cdul.map)
file(CONFIGURE OUTPUT ${map} CONTENT "{ global: @exports@ local: *; };\n" @ONLY)
target_link_options(cdul PRIVATE -Wl,--version-script=${map})
set_target_properties(cdul PROPERTIES LINK_DEPENDS ${map})

# --- Installation ---

include(CMakePackageConfigHelpers)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/cdul)

# cdul.pc speaks of folders relative to its own, so that the prefix may be chosen at installation, or moved.
file(RELATIVE_PATH pc_prefix ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" pc_prefix ${pc_prefix})
file(RELATIVE_PATH pc_libdir ${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_FULL_LIBDIR})
file(RELATIVE_PATH pc_includedir ${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_FULL_INCLUDEDIR})
configure_file(${CMAKE_CURRENT_LIST_DIR}/cdul.pc.in cdul.pc @ONLY)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/cdulConfig.cmake.in cdulConfig.cmake
    INSTALL_DESTINATION ${package})
write_basic_package_version_file(cdulConfigVersion.cmake COMPATIBILITY SameMinorVersion)

install(TARGETS cdul EXPORT cdul
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT cdul NAMESPACE cdul:: FILE cdulTargets.cmake DESTINATION ${package})
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/cdulConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/cdulConfigVersion.cmake
    DESTINATION ${package})
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/cdul.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES ${headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/cdul)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/configs/ DESTINATION ${CMAKE_INSTALL_DATADIR}/cdul)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
