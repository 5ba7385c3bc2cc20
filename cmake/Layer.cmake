# cdul_layer(name SOURCES ... USES ...): one folder of src as a static library, with the project's warnings.
# USES lists the only other targets it may include headers of; src/ and include/ are on the include path.
function(cdul_layer name)
    cmake_parse_arguments(ARG "" "" "SOURCES;USES" ${ARGN})
    add_library(cdul_${name} STATIC ${ARG_SOURCES})
    target_include_directories(cdul_${name} PUBLIC ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/src)
    target_link_libraries(cdul_${name} PUBLIC ${ARG_USES})
    cdul_compile_options(cdul_${name})
endfunction()

function(cdul_compile_options target)
    target_compile_definitions(${target} PRIVATE _GNU_SOURCE)
    target_compile_options(${target} PRIVATE -Wall -Wextra -Wshadow $<$<COMPILE_LANGUAGE:C>:-Wconversion>)
    if(CDUL_WERROR)
        target_compile_options(${target} PRIVATE -Werror)
    endif()
    if(CDUL_SANITIZE)
        target_compile_options(${target} PRIVATE -fsanitize=${CDUL_SANITIZE} -fno-sanitize-recover=all
            -fno-omit-frame-pointer)
        target_link_options(${target} PUBLIC -fsanitize=${CDUL_SANITIZE})
    endif()
endfunction()
