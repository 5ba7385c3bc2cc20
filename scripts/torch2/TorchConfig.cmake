# The CPU half of PyPI's libtorch 2.x as a CMake package: setup.sh torch2 lays it out in .deps/torch2.
# The package's own config asks for a CUDA toolkit, which a build for the CPU has no use for.
get_filename_component(_torch_root "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

if(NOT TARGET torch)
    add_library(c10 SHARED IMPORTED)
    set_target_properties(c10 PROPERTIES IMPORTED_LOCATION "${_torch_root}/lib/libc10.so")
    add_library(torch SHARED IMPORTED)
    set_target_properties(torch PROPERTIES
        IMPORTED_LOCATION "${_torch_root}/lib/libtorch_cpu.so"
        INTERFACE_INCLUDE_DIRECTORIES "${_torch_root}/include;${_torch_root}/include/torch/csrc/api/include"
        INTERFACE_COMPILE_FEATURES cxx_std_20 # the headers ask for it
        INTERFACE_LINK_LIBRARIES c10)
endif()

set(TORCH_LIBRARIES torch)
set(TORCH_CXX_FLAGS "")
set(Torch_FOUND TRUE)
