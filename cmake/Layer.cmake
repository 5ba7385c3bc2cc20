# cdul_layer(name [FOLDER folder] SOURCES ... [USES ...] [EXPORTS ...]): one folder of src (by default src/<name>) as a
# static library, with the project's warnings.
# USES    the only other layers whose headers it may include, and libraries that its own headers do not show
# EXPORTS libraries that its headers show
# What a layer uses is not seen by those who use the layer: each names all that it includes. Every layer has an include
# folder of its own in the build, with a link to its sources, so that a header of another one is not found at all.
function(cdul_layer name)
    cmake_parse_arguments(ARG "" "FOLDER" "SOURCES;USES;EXPORTS" ${ARGN})
    if(NOT ARG_FOLDER)
        set(ARG_FOLDER ${name})
    endif()
    add_library(cdul_${name} STATIC ${ARG_SOURCES})
    set(room ${CMAKE_BINARY_DIR}/rooms/${name})
    get_filename_component(parent ${room}/${ARG_FOLDER} DIRECTORY)
    file(MAKE_DIRECTORY ${parent})
    file(CREATE_LINK ${CMAKE_SOURCE_DIR}/src/${ARG_FOLDER} ${room}/${ARG_FOLDER} SYMBOLIC)
    target_include_directories(cdul_${name} PUBLIC ${CMAKE_SOURCE_DIR}/include ${room})
    target_link_libraries(cdul_${name} PRIVATE ${ARG_USES} PUBLIC ${ARG_EXPORTS})
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
