# Finds ONNX Runtime's C API: target ONNXRuntime::ONNXRuntime.
# Looks in ONNXRUNTIME_ROOT, then in .deps/onnxruntime (scripts/setup.sh), then in the system.
find_path(ONNXRuntime_INCLUDE_DIR onnxruntime_c_api.h
    HINTS ${ONNXRUNTIME_ROOT} ${CMAKE_SOURCE_DIR}/.deps/onnxruntime
    PATH_SUFFIXES include include/onnxruntime include/onnxruntime/core/session onnxruntime)
find_library(ONNXRuntime_LIBRARY NAMES onnxruntime libonnxruntime.so.1
    HINTS ${ONNXRUNTIME_ROOT} ${CMAKE_SOURCE_DIR}/.deps/onnxruntime PATH_SUFFIXES lib)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(ONNXRuntime
    REQUIRED_VARS ONNXRuntime_LIBRARY ONNXRuntime_INCLUDE_DIR
    REASON_FAILURE_MESSAGE "run scripts/setup.sh, or pass -DONNXRUNTIME_ROOT=<folder with include/ and lib/>")

if(ONNXRuntime_FOUND AND NOT TARGET ONNXRuntime::ONNXRuntime)
    add_library(ONNXRuntime::ONNXRuntime UNKNOWN IMPORTED)
    set_target_properties(ONNXRuntime::ONNXRuntime PROPERTIES
        IMPORTED_LOCATION ${ONNXRuntime_LIBRARY}
        INTERFACE_INCLUDE_DIRECTORIES ${ONNXRuntime_INCLUDE_DIR})
endif()
mark_as_advanced(ONNXRuntime_INCLUDE_DIR ONNXRuntime_LIBRARY)
