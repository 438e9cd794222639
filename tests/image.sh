#!/usr/bin/env bash
# image.sh DIR   builds .ci/Dockerfile and runs the commands of docs/ci.md with the image. DIR keeps the images and the build.
#
# buildah needs root, but no engine. No registry of images is asked. Stand-ins take the place of the official ones:
#   debian:bookworm-slim      the minimal Debian 12 of debootstrap, with this machine's sources of packages
#   rust:1.95-slim-bookworm   the same with gcc, this machine's Rust and its configuration of cargo
# What else the official images have cannot be seen here.
set -euo pipefail
dir=${1:?usage: image.sh DIR}
[ "$(id -u)" = 0 ] || { echo "image.sh needs root" >&2; exit 1; }
mkdir -p "$dir/tmp"; dir=$(cd "$dir" && pwd)
cd "$(dirname "$0")/.."; source=$PWD
work=$(mktemp -d); server=
export BUILDAH_ISOLATION=chroot TMPDIR=$dir/tmp
image() { buildah --root "$dir/storage" --runroot "$dir/run" "$@"; }
missing() { [ -z "$(image images --quiet --filter "reference=$1")" ]; }
fail() { echo "$*" >&2; exit 1; }
finish() {
  if [ -n "$server" ]; then kill -- "-$server"; fi
  { image rm --all; image rmi --prune; } > /dev/null
  rm -rf "$work"
}
trap finish EXIT

if missing debian:bookworm-slim; then
  echo "making a stand-in for debian:bookworm-slim"
  # shellcheck disable=SC2016
  sources=$(apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' | grep ' bookworm' || true)
  mirror=$(awk '$3 == "bookworm" { print $2; exit }' <<< "$sources")
  container=$(image from scratch); root=$(image mount "$container")
  debootstrap --variant=minbase bookworm "$root" ${mirror:+"$mirror"} > "$dir/debian.log" || fail "see $dir/debian.log"
  if [ -n "$sources" ]; then echo "$sources" > "$root/etc/apt/sources.list"; fi
  apt-config dump Acquire | grep -E '^Acquire::(https?|Check-|Retries)' > "$root/etc/apt/apt.conf.d/90machine" || true
  rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/archives/*.deb
  image commit --quiet --rm "$container" debian:bookworm-slim > /dev/null
fi

if missing rust:1.95-slim-bookworm; then
  echo "making a stand-in for rust:1.95-slim-bookworm"
  container=$(image from --pull-never debian:bookworm-slim); root=$(image mount "$container")
  packages='apt-get update -qq; apt-get install -qq --no-install-recommends ca-certificates gcc libc6-dev; rm -rf /var/lib/apt/lists/*'
  image run "$container" -- sh -ec "$packages" > "$dir/rust.log" 2>&1 || fail "see $dir/rust.log"
  toolchain=/usr/local/rustup/toolchains/1.95; cargo=/usr/local/cargo
  mkdir -p "$root$toolchain" "$root$cargo/bin"
  tar -C "$(rustc --print sysroot)" --exclude=./share -c . | tar -C "$root$toolchain" -x
  ln -s "$toolchain/bin/cargo" "$toolchain/bin/rustc" "$root$cargo/bin/"
  cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
  if [ -f "${CARGO_HOME:-$HOME/.cargo}/config.toml" ]; then cp "${CARGO_HOME:-$HOME/.cargo}/config.toml" "$root$cargo/"; fi
  image config --env CARGO_HOME=$cargo --env PATH=$cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
  image commit --quiet --rm "$container" rust:1.95-slim-bookworm > /dev/null
fi

# Does with buildah what docker does with these arguments.
docker() {
  local name=$1 options=(); shift
  if [ "$name" = build ]; then
    (cd "$source" && image build --pull-never "$@")
    container=$(image from --pull-never mailrun)
    entry=$(image inspect --format '{{index .OCIv1.Config.Entrypoint 0}}' "$container")
    return
  fi
  while [ "$1" != mailrun ]; do
    case $1 in --rm) ;; --network) shift ;; *) options+=("$1") ;; esac
    shift
  done
  image run "${options[@]}" "$container" -- "$entry" "${@:2}"
}

# shellcheck disable=SC2016
block=$(sed -n '/^## Docker$/,/^## Jenkins$/ { /^```sh$/,/^```$/ { /^```/!p; }; }' docs/ci.md)
cp -r sessions fixtures/servers/one-domain.toml "$work"; cd "$work"; chown 65532 .
eval "$(grep '^docker build' <<< "$block")"
docker run --rm mailrun --help | grep '^Usage: mailrun' || fail "mailrun does not run"
[ "$(image run "$container" -- id -u)" = 65532 ] || fail "the image runs as another user"

# The server runs in the image, too, as the image's user. It has a process group of its own, which `finish` ends.
set -m
docker run --volume "$PWD:/work" mailrun serve --listen 127.0.0.1:0 --write-ca ca.pem one-domain.toml > server.log 2>&1 &
server=$!
set +m
for _ in $(seq 300); do if grep -q '^listening' server.log; then break; fi; sleep 0.1; done
port=$(sed -n 's/^listening on .*://p' server.log)
[ -n "$port" ] || fail "the server does not start: $(cat server.log)"
status=0
eval "$(sed '/^docker build/d' <<< "${block//:2525/:$port}")" | tee output.txt || status=$?
# The server accepts unencrypted passwords, and the suite reports that and nothing else.
failed=$(grep -E '^(FAILED|ERROR)' output.txt || true)
[[ $status = 1 && $failed = FAILED*auth-in-clear* && $failed != *$'\n'* ]] || fail "the suite ended with $status"
[ "$(stat -c %u junit.xml)" = "$(id -u)" ] || fail "the report is not the caller's"

# Without --ca the certificates of the image are trusted.
starttls=(mailrun test --server "smtp://localhost:$port" sessions/smoke/starttls.toml)
if image run --volume "$PWD:/work" "$container" -- "${starttls[@]}"; then fail "an unknown issuer is trusted"; fi
image run --user 0 --volume "$PWD/ca.pem:/usr/local/share/ca-certificates/test.crt" "$container" -- update-ca-certificates
image run --volume "$PWD:/work" "$container" -- "${starttls[@]}"
echo "the image works"
