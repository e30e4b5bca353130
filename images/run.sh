#!/bin/sh
# Run a verb in an image as it is meant to be run: nothing but its two volumes can be written, no capability, no network.
#
#   sh images/run.sh PROFILE VERB...
#
# The volumes are called `skerry-home` and `skerry-keys`. From the environment: NETWORK (none) is the network that a
# server listens on, OPTIONS further words for podman, as `OPTIONS="--volume /media/stick:/in:ro"`.
set -eu
[ $# -ge 2 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
profile=$1
shift
# shellcheck disable=SC2086 # OPTIONS are words
exec podman run --rm --network "${NETWORK:-none}" --read-only --cap-drop=all --security-opt no-new-privileges \
    --ulimit nofile=4096:4096 --ulimit nproc=4096:4096 \
    --volume skerry-home:/var/lib/skerry --volume skerry-keys:/etc/skerry ${OPTIONS:-} "localhost/skerry-$profile" "$@"
