# The share directory beside bin/: what the programs read at run time. In the build tree it links to the sources, so that an edited template
# is seen without a build; the static files are copied under names made from their content.
set(share ${CMAKE_BINARY_DIR}/share/filmyfly)
file(MAKE_DIRECTORY ${share})
foreach(pair views:renderer/views queries:dbproxy/queries migrations:dbproxy/migrations demo:dbproxy/demo)
    string(REPLACE ":" ";" pair ${pair})
    list(GET pair 0 name)
    list(GET pair 1 source)
    file(CREATE_LINK ${CMAKE_SOURCE_DIR}/${source} ${share}/${name} SYMBOLIC)
endforeach()

find_program(GZIP gzip REQUIRED)
find_program(BROTLI brotli REQUIRED)
file(GLOB static_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/gateway/static/*)
add_custom_command(
    OUTPUT ${share}/static/manifest.txt
    COMMAND ${CMAKE_COMMAND} -DSOURCE=${CMAKE_SOURCE_DIR}/gateway/static -DOUTPUT=${share}/static
            -DGZIP=${GZIP} -DBROTLI=${BROTLI}
            -P ${CMAKE_SOURCE_DIR}/cmake/fingerprint.cmake
    DEPENDS ${static_files} ${CMAKE_SOURCE_DIR}/cmake/fingerprint.cmake
    COMMENT "Fingerprinting the static files"
    VERBATIM)
add_custom_target(static-files ALL DEPENDS ${share}/static/manifest.txt)

include(GNUInstallDirs)
install(TARGETS filmyfly-gateway filmyfly-cacher filmyfly-renderer filmyfly-dbproxy filmyfly-listen)
set(target_share ${CMAKE_INSTALL_DATADIR}/filmyfly)
install(DIRECTORY renderer/views/ DESTINATION ${target_share}/views FILES_MATCHING PATTERN *.mustache)
install(DIRECTORY dbproxy/queries/ DESTINATION ${target_share}/queries FILES_MATCHING PATTERN *.sql)
install(DIRECTORY dbproxy/migrations/ DESTINATION ${target_share}/migrations FILES_MATCHING PATTERN *.sql)
install(DIRECTORY dbproxy/demo/ DESTINATION ${target_share}/demo FILES_MATCHING PATTERN *.ndjson PATTERN README.md)
install(DIRECTORY ${share}/static/ DESTINATION ${target_share}/static)
