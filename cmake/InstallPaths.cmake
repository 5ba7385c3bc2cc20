# Installed files find ONNX Runtime and libtorch where the build found them. Of libraries within the source tree, which
# scripts/setup.sh fetched, CMake would not keep the path: ONNX Runtime is installed as well, in a folder of its own
# (it is no system library, others may have another version); libtorch is too large for that and stays where it is.

# cdul_install_paths(target folder): for a target that is installed into `folder`, given in full.
function(cdul_install_paths target folder)
    set(paths "")
    get_target_property(libraries ${target} LINK_LIBRARIES)
    if(CDUL_BUNDLE_ONNXRUNTIME)
        file(RELATIVE_PATH bundle ${folder} ${CMAKE_INSTALL_FULL_LIBDIR}/cdul)
        list(APPEND paths "$ORIGIN/${bundle}")
    endif()
    if("cdul_torch" IN_LIST libraries)
        get_target_property(torch cdul_torch CDUL_LIBTORCH)
        cmake_path(IS_PREFIX PROJECT_SOURCE_DIR "${torch}" inside)
        if(inside)
            cmake_path(GET torch PARENT_PATH folder)
            list(APPEND paths ${folder})
        endif()
    endif()
    set_target_properties(${target} PROPERTIES INSTALL_RPATH "${paths}" INSTALL_RPATH_USE_LINK_PATH ON)
endfunction()

cmake_path(IS_PREFIX PROJECT_SOURCE_DIR "${ONNXRuntime_LIBRARY}" CDUL_BUNDLE_ONNXRUNTIME)
if(CDUL_BUNDLE_ONNXRUNTIME)
    file(REAL_PATH ${ONNXRuntime_LIBRARY} file)
    cmake_path(GET ONNXRuntime_LIBRARY PARENT_PATH folder)
    install(PROGRAMS ${file} DESTINATION ${CMAKE_INSTALL_LIBDIR}/cdul RENAME libonnxruntime.so.1)
    install(FILES ${folder}/../LICENSE ${folder}/../ThirdPartyNotices.txt DESTINATION ${CMAKE_INSTALL_DOCDIR}/onnxruntime)
endif()
