# Makes building llama-server cheaper; llama.cpp's own files stay as they are.
# Included by its project() call, acts when all its targets are known.
#
# Most of the time goes into code that runs once a request or never (options,
# chat formats, pictures and sound, HTTP), at -O3, with the same large JSON
# header parsed in each of some sixty files. That code is compiled at -O1 and
# from a precompiled header. What runs for every token keeps its -O3, and
# without that header: the compiler crashes on one made at another level.

function(ragd_build_less)
    foreach(target llama-common mtmd server-context llama-server-impl
            cpp-httplib)
        target_compile_options(${target} PRIVATE -O1)
    endforeach()
    foreach(target llama-common server-context llama-server-impl)
        target_precompile_headers(${target} PRIVATE
            <nlohmann/json.hpp> <algorithm> <functional> <map> <memory>
            <regex> <string> <unordered_map> <vector>)
    endforeach()
    set_source_files_properties(
        ${CMAKE_SOURCE_DIR}/common/ngram-cache.cpp
        ${CMAKE_SOURCE_DIR}/common/ngram-map.cpp
        ${CMAKE_SOURCE_DIR}/common/ngram-mod.cpp
        ${CMAKE_SOURCE_DIR}/common/sampling.cpp
        ${CMAKE_SOURCE_DIR}/common/speculative.cpp
        TARGET_DIRECTORY llama-common
        PROPERTIES COMPILE_OPTIONS -O3 SKIP_PRECOMPILE_HEADERS ON)
    set_source_files_properties(
        ${CMAKE_SOURCE_DIR}/tools/server/server-common.cpp
        ${CMAKE_SOURCE_DIR}/tools/server/server-context.cpp
        TARGET_DIRECTORY server-context
        PROPERTIES COMPILE_OPTIONS -O3 SKIP_PRECOMPILE_HEADERS ON)
endfunction()

cmake_language(DEFER DIRECTORY ${CMAKE_SOURCE_DIR} CALL ragd_build_less)
