#!/bin/sh
# Makes the image's users and folders: who may do what. Each stage has a user; each hop has a group, named after the stage that
# is asked: who is in it may enter that stage's folder of sockets. The numbers are fixed, because volumes keep them.
set -eu

add_group() { # number name
    groupadd --gid "$1" "$2"
}

add_user() { # number name groups
    useradd --uid "$1" --gid "$2" --groups "$3" --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin "$2"
}

add_folder() { # owner group mode path
    install -d -o "$1" -g "$2" -m "$3" "$4"
}

add_group 8101 gateway
add_group 8102 cacher
add_group 8103 renderer
add_group 8104 dbproxy
add_group 8105 changes # where a cacher asks dbproxy for changes, and for nothing else
add_group 8106 store   # the pages that are kept: the cacher writes, the gateway reads
add_group 8107 filmyfly

add_user 8101 gateway cacher,store
add_user 8102 cacher renderer,changes,store
add_user 8103 renderer dbproxy
add_user 8104 dbproxy changes
add_user 8107 filmyfly gateway,cacher,renderer,dbproxy,changes,store # for the inspector

add_folder gateway gateway 2750 /run/filmyfly/gateway
add_folder cacher cacher 2750 /run/filmyfly/cacher
add_folder renderer renderer 2750 /run/filmyfly/renderer
add_folder dbproxy dbproxy 2750 /run/filmyfly/dbproxy
add_folder dbproxy changes 2750 /run/filmyfly/changes
add_folder cacher store 2750 /var/cache/filmyfly
add_folder gateway gateway 0750 /etc/filmyfly/tls
