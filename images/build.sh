#!/bin/sh
# Make the image of one profile without a registry and without a network, and run it once. As root:
#
#   sh images/build.sh PROFILE PAYLOAD RUNTIME.TGZ [WORK]
#
# PAYLOAD is what `skerry-bundle build --payload DIR` keeps, RUNTIME.TGZ what `skerry-bundle runtime` makes. WORK
# (build/images) keeps the base between runs: a root made by debootstrap, the only step that asks a Debian archive.
# Needs buildah, debootstrap and util-linux. The image lies in WORK/PROFILE.oci.
set -eu
umask 022
[ $# -ge 3 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }
profile=$1 payload=$2 runtime=$3 work=${4:-build/images}
here=$(dirname "$0")
[ -f "$here/$profile/Dockerfile" ] || { echo "no recipe \`$here/$profile/Dockerfile\`" >&2; exit 4; }
mkdir -p "$work"
work=$(cd "$work" && pwd)

# Without --pid and --kill-child, what runs inside would outlive a build that was stopped.
sealed() { unshare --net --pid --fork --kill-child --mount-proc "$@"; }
image() { sealed buildah --storage-driver vfs --root "$work/storage" --runroot "$work/run" "$@"; }

base="$work/root"
[ -f "$base.done" ] || { rm -rf "$base"; debootstrap --variant=minbase bookworm "$base" > "$work/base.log"; : > "$base.done"; }
if ! image inspect --type image localhost/skerry-base > /dev/null 2>&1; then
  made=$(image from scratch)
  image copy -q "$made" "$base" /
  image commit -q --rm "$made" localhost/skerry-base
fi

context="$work/context"
rm -rf "$context"
mkdir -p "$context/runtime" "$context/payload"
tar -xzf "$runtime" -C "$context/runtime" --no-same-owner
for part in wheels models requirements.txt profile.json; do cp -r "$payload/$part" "$context/payload/"; done
chmod -R a+rX "$context"

image bud --isolation chroot --pull-never -q -t "localhost/skerry-$profile" -f "$here/$profile/Dockerfile" "$context"
rm -rf "$context"

# It runs as nobody in particular, has the program, and may not write beside its home.
made=$(image from --pull-never "localhost/skerry-$profile")
inside() { image run --isolation chroot "$made" -- "$@"; }
[ "$(inside id -u)" = 65532 ] || { echo "\`$profile\` runs as root" >&2; exit 1; }
! inside touch /opt/skerry/mine 2> /dev/null || { echo "\`$profile\` may change itself" >&2; exit 1; }
inside skerry --help > /dev/null
image rm "$made" > /dev/null
rm -f "$work/$profile.oci"
image push -q "localhost/skerry-$profile" "oci-archive:$work/$profile.oci"
ls -l "$work/$profile.oci"
