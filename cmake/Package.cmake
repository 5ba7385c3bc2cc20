# Two shared libraries, and what other programs find them by: headers, pkg-config and a CMake package.
#   libcdul        all layers without the trainer          cdul.pc         cdul::cdul
#   libcdul_train  training, on top of it, with libtorch   cdul_train.pc   cdul::train, the package's component train

# cdul_library(target dependencies...): a shared library made of objects, which exports the functions that its public
# headers declare and no others. ARGN: HEADERS files, OBJECTS objects, LINKS libraries.
function(cdul_library target)
    cmake_parse_arguments(ARG "" "" "HEADERS;OBJECTS;LINKS" ${ARGN})
    add_library(${target} SHARED ${ARG_OBJECTS})
    set_target_properties(${target} PROPERTIES
        LINKER_LANGUAGE C
        VERSION ${PROJECT_VERSION}
        SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}) # before 1.0 every minor version may break programs
    target_link_libraries(${target} PRIVATE ${ARG_LINKS})
    cdul_install_paths(${target} ${CMAKE_INSTALL_FULL_LIBDIR})
    target_include_directories(${target} PUBLIC
        $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    cdul_compile_options(${target})
    if(NOT CDUL_SANITIZE) # whose runtime comes with the program
        target_link_options(${target} PRIVATE -Wl,--no-undefined)
    endif()
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${ARG_HEADERS})
    set(exports "")
    foreach(header ${ARG_HEADERS})
        file(READ ${header} text)
        string(REGEX MATCHALL "cdul_[a-z0-9_]+\\(" functions "${text}")
        list(APPEND exports ${functions})
    endforeach()
    list(REMOVE_DUPLICATES exports)
    list(JOIN exports " " exports)
    string(REPLACE "(" ";" exports "${exports}")
    set(map ${CMAKE_CURRENT_BINARY_DIR}/${target}.map)
    file(CONFIGURE OUTPUT ${map} CONTENT "{ global: @exports@ local: *; };\n" @ONLY)
    target_link_options(${target} PRIVATE -Wl,--version-script=${map})
    set_target_properties(${target} PROPERTIES LINK_DEPENDS ${map})
endfunction()

file(GLOB headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/cdul/*.h)
set(train_header ${PROJECT_SOURCE_DIR}/include/cdul/train.h)
list(REMOVE_ITEM headers ${train_header})

set(layers base image onnx tokenizer encoder_folder encoder labels label predict eval report)
list(TRANSFORM layers REPLACE "(.+)" "$<TARGET_OBJECTS:cdul_\\1>" OUTPUT_VARIABLE objects)
cdul_library(cdul HEADERS ${headers} OBJECTS ${objects} LINKS
    PkgConfig::CJSON PkgConfig::JPEG PkgConfig::PNG PkgConfig::WEBP PkgConfig::WEBPDEMUX PkgConfig::UTF8PROC
    PkgConfig::XXHASH PkgConfig::EXPAT ONNXRuntime::ONNXRuntime OpenMP::OpenMP_C Threads::Threads m)
set(libraries cdul)

# What libcdul exports comes from there; what it keeps to itself of the layers below, this library has again.
if(CDUL_TRAIN)
    list(APPEND headers ${train_header})
    cdul_library(cdul_training HEADERS ${train_header} OBJECTS $<TARGET_OBJECTS:cdul_train>
        $<TARGET_OBJECTS:cdul_train_params> LINKS -Wl,--as-needed cdul cdul_torch cdul_labels cdul_report
        cdul_eval cdul_image cdul_base PkgConfig::CJSON OpenMP::OpenMP_C Threads::Threads m)
    set_target_properties(cdul_training PROPERTIES OUTPUT_NAME cdul_train EXPORT_NAME train)
    list(APPEND libraries cdul_training)
endif()

# --- Installation ---

include(CMakePackageConfigHelpers)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/cdul)

# The .pc files speak of folders relative to its own, so that the prefix may be chosen at installation, or moved.
file(RELATIVE_PATH pc_prefix ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" pc_prefix ${pc_prefix})
file(RELATIVE_PATH pc_libdir ${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_FULL_LIBDIR})
file(RELATIVE_PATH pc_includedir ${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_FULL_INCLUDEDIR})
configure_file(${CMAKE_CURRENT_LIST_DIR}/cdul.pc.in cdul.pc @ONLY)
if(CDUL_TRAIN)
    configure_file(${CMAKE_CURRENT_LIST_DIR}/cdul_train.pc.in cdul_train.pc @ONLY)
    install(FILES ${CMAKE_CURRENT_BINARY_DIR}/cdul_train.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endif()
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/cdulConfig.cmake.in cdulConfig.cmake
    INSTALL_DESTINATION ${package})
write_basic_package_version_file(cdulConfigVersion.cmake COMPATIBILITY SameMinorVersion)

install(TARGETS ${libraries} EXPORT cdul
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT cdul NAMESPACE cdul:: FILE cdulTargets.cmake DESTINATION ${package})
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/cdulConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/cdulConfigVersion.cmake
    DESTINATION ${package})
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/cdul.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES ${PROJECT_SOURCE_DIR}/include/cdul.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/cdul)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/configs/ DESTINATION ${CMAKE_INSTALL_DATADIR}/cdul)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
