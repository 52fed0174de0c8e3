# `cmake --build … --target lint`: every checker over our own files, warnings are errors.
add_custom_target(lint
    COMMAND ${CMAKE_SOURCE_DIR}/cmake/lint.sh ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}
    USES_TERMINAL VERBATIM)
