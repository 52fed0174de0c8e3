# The gateway's guards (gateway/guards.c) are called in the place of libh2o's own functions. Ubuntu links its libraries so that this
# cannot be (-Bsymbolic-functions); there the distribution's source of libh2o is built without that option, and installed beside us.
find_program(READELF readelf REQUIRED)
execute_process(COMMAND ${READELF} -rdW ${H2O_LINK_LIBRARIES} OUTPUT_VARIABLE library COMMAND_ERROR_IS_FATAL ANY)
if(NOT library MATCHES " phr_parse_request")
    execute_process(COMMAND dpkg-query -W -f \${source:Version} libh2o-evloop-dev OUTPUT_VARIABLE version COMMAND_ERROR_IS_FATAL ANY)
    string(REGEX MATCH "SONAME[^\n]*\\[(libh2o[^]]*)" soname "${library}")
    set(folder ${CMAKE_BINARY_DIR}/libh2o/${version})
    set(library ${folder}/${CMAKE_MATCH_1})
    if(NOT EXISTS ${library})
        message(STATUS "Building libh2o ${version}, as this system's cannot be guarded")
        execute_process(COMMAND ${CMAKE_SOURCE_DIR}/cmake/libh2o.sh ${folder} COMMAND_ERROR_IS_FATAL ANY)
    endif()
    set_target_properties(PkgConfig::H2O PROPERTIES INTERFACE_LINK_LIBRARIES ${library})
    install(FILES ${library} DESTINATION lib/filmyfly)
    set(CMAKE_INSTALL_RPATH $ORIGIN/../lib/filmyfly)
    # When the system gets a newer one, so do we: files of packages are as old as the package, but this one tells of installing.
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS /var/lib/dpkg/status)
endif()
