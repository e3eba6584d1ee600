#!/bin/sh
script=$(readlink -f "$0")
. "${script%/*}/launcher.sh"
launch kafka_replica_verification "$@"
