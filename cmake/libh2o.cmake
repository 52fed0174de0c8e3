# The gateway's guards (gateway/guards.c) are called in the place of libh2o's own functions. Ubuntu links its libraries so that this
# cannot be (-Bsymbolic-functions); there the distribution's source of libh2o is built without that option, and installed beside us.
find_program(READELF readelf REQUIRED)
execute_process(COMMAND ${READELF} -rW ${H2O_LINK_LIBRARIES} OUTPUT_VARIABLE relocations COMMAND_ERROR_IS_FATAL ANY)
if(NOT relocations MATCHES " phr_parse_request")
    set(library ${CMAKE_BINARY_DIR}/libh2o/libh2o-evloop.so.0.13)
    if(NOT EXISTS ${library})
        message(STATUS "Building libh2o, as this system's cannot be guarded")
        execute_process(COMMAND ${CMAKE_SOURCE_DIR}/cmake/libh2o.sh ${CMAKE_BINARY_DIR}/libh2o COMMAND_ERROR_IS_FATAL ANY)
    endif()
    set_target_properties(PkgConfig::H2O PROPERTIES INTERFACE_LINK_LIBRARIES ${library})
    install(FILES ${library} DESTINATION lib/filmyfly)
    set(CMAKE_INSTALL_RPATH $ORIGIN/../lib/filmyfly)
endif()
