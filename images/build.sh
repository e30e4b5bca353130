#!/bin/sh
# Make the image of one profile without a registry and without a network, and look into it. As root:
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
recipe=$(dirname "$0")/Dockerfile
grep -q " AS $profile\$" "$recipe" || { echo "no image \`$profile\` in \`$recipe\`" >&2; exit 4; }
mkdir -p "$work"
work=$(cd "$work" && pwd)
exec 9> "$work/.lock"
flock --nonblock 9 || { echo "another build is at work in \`$work\`" >&2; exit 9; }

# Without --pid and --kill-child, what runs inside would outlive a build that was stopped.
sealed() { unshare --net --pid --fork --kill-child --mount-proc "$@"; }
image() { sealed buildah --root "$work/storage" --runroot "$work/run" "$@"; }

# The store is as large as all layers: only the image's file stays.
trap 'rm -rf "$work/storage" "$work/run" "$work/context"' EXIT
trap 'exit 1' HUP INT TERM

base=$work/root
if ! [ -f "$base.done" ]; then
  rm -rf "$base"
  debootstrap --variant=minbase bookworm "$base" > "$work/base.log"
  # What an image of one program never uses: package lists, pages, and programs that make their caller root.
  rm -rf "$base"/var/cache/apt/* "$base"/var/lib/apt/lists/* "$base"/usr/share/man/* "$base"/usr/share/locale/*
  find "$base/usr/share/doc" -type f ! -name copyright -delete
  find "$base" -xdev -type f -perm /6000 -exec chmod a-s {} +
  : > "$base.done"
fi
made=$(image from scratch)
image copy -q "$made" "$base" / > /dev/null
image commit -q --rm "$made" localhost/skerry-base > /dev/null

context=$work/context
rm -rf "$context"
mkdir -p "$context/runtime" "$context/payload"
tar -xzf "$runtime" -C "$context/runtime" --no-same-owner
for part in wheels models reports requirements.txt profile.json; do cp -r "$payload/$part" "$context/payload/"; done
chmod -R a+rX "$context"
image bud --isolation chroot --pull-never -q --target "$profile" -t "localhost/skerry-$profile" -f "$recipe" "$context" > /dev/null

# It runs as nobody in particular, has the program, and may not write beside its home.
made=$(image from --pull-never "localhost/skerry-$profile")
inside() { image run --isolation chroot "$made" -- "$@"; }
[ "$(inside id -u)" = 65532 ] || { echo "\`$profile\` runs as root" >&2; exit 1; }
! inside touch /opt/skerry/mine 2> /dev/null || { echo "\`$profile\` may change itself" >&2; exit 1; }
inside skerry --help > /dev/null

rm -f "$work/$profile.oci"
image push -q "localhost/skerry-$profile" "oci-archive:$work/$profile.oci:localhost/skerry-$profile:latest"
ls -l "$work/$profile.oci"
