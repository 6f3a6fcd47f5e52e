# What `cmake --install` puts where (shared names: sbin, libexec/edged, bin). debian/ distributes it over its packages.
include(GNUInstallDirs)

set(EDGED_UNITDIR "lib/systemd/system" CACHE PATH "Where systemd units go, below the prefix")
set(EDGED_SYSUSERSDIR "lib/sysusers.d" CACHE PATH "Where sysusers files go, below the prefix")

install(TARGETS edged edgectl RUNTIME DESTINATION ${CMAKE_INSTALL_SBINDIR})
install(TARGETS edged-connector RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
# edged looks for them in ../libexec/edged.
install(TARGETS edged-access edged-webconf edged-av edged-avauth edged-keyd
  RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/edged)
if(TARGET edged-xmpp)
  install(TARGETS edged-xmpp RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/edged)
endif()

install(FILES docs/man/edged.8 docs/man/edgectl.8 docs/man/edged-connector.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
install(FILES docs/man/edged.conf.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
install(FILES config/edged.conf config/connector.conf DESTINATION ${CMAKE_INSTALL_DATADIR}/edged)
install(FILES README.md docs/admin-guide.md docs/log-events.md docs/SECURITY.md
  DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES deploy/systemd/kernel-relay.conf DESTINATION ${CMAKE_INSTALL_DATADIR}/edged/systemd)
install(DIRECTORY deploy/grafana deploy/prometheus DESTINATION ${CMAKE_INSTALL_DATADIR}/edged)
install(FILES certs/README.md RENAME certificates.md DESTINATION ${CMAKE_INSTALL_DOCDIR})

# The units name programs by their full path, which is known when they are installed (--prefix).
foreach(unit edged edged-connector)
  install(CODE "
    file(READ ${CMAKE_CURRENT_SOURCE_DIR}/deploy/systemd/${unit}.service text)
    foreach(dir ${CMAKE_INSTALL_SBINDIR} ${CMAKE_INSTALL_BINDIR} lib/edged)
      string(REPLACE \"/usr/\${dir}/\" \"\${CMAKE_INSTALL_PREFIX}/\${dir}/\" text \"\${text}\")
    endforeach()
    set(EDGED_UNITDIR \"${EDGED_UNITDIR}\")
    cmake_path(ABSOLUTE_PATH EDGED_UNITDIR BASE_DIRECTORY \"\${CMAKE_INSTALL_PREFIX}\")
    file(WRITE \"\$ENV{DESTDIR}\${EDGED_UNITDIR}/${unit}.service\" \"\${text}\")
    message(STATUS \"Installing: \$ENV{DESTDIR}\${EDGED_UNITDIR}/${unit}.service\")")
endforeach()
install(FILES deploy/systemd/edged-sysusers.conf RENAME edged.conf DESTINATION ${EDGED_SYSUSERSDIR})
install(FILES deploy/systemd/edged-connector-sysusers.conf RENAME edged-connector.conf DESTINATION ${EDGED_SYSUSERSDIR})

# RootDirectory= of edged.service: mount points and the usual links, nothing else.
foreach(dir dev etc home proc root run sys tmp usr var/lib/edged var/tmp)
  install(DIRECTORY DESTINATION lib/edged/rootfs/${dir})
endforeach()
install(CODE "
  foreach(dir bin sbin lib lib64)
    if(IS_SYMLINK /\${dir} AND NOT IS_SYMLINK \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/lib/edged/rootfs/\${dir}\")
      file(CREATE_LINK usr/\${dir} \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/lib/edged/rootfs/\${dir}\" SYMBOLIC)
    endif()
  endforeach()")
