#!/bin/sh
script=$(readlink -f "$0")
. "${script%/*}/launcher.sh"
launch zookeeper_server_stop "$@"
