#!/usr/bin/env bash
# install.sh DIR   brings what tests/schemas/ holds our files against: taplo, check-jsonschema, ShellCheck, hadolint, act, gitlab-ci-local, promtool, dkimpy, and Jenkins' schema of JUnit reports.
set -euo pipefail
dir=${1:?usage: install.sh DIR}
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$dir"; dir=$(cd "$dir" && pwd)

if ! cmp -s "$here/package-lock.json" "$dir/package-lock.json" || [ ! -x "$dir/node_modules/.bin/gitlab-ci-local" ]; then
  echo "installing taplo and gitlab-ci-local"
  cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$dir"
  (cd "$dir" && npm ci --silent --ignore-scripts) || { rm -f "$dir/package-lock.json"; exit 1; }
fi

if ! cmp -s "$here/requirements.txt" "$dir/requirements.txt"; then
  echo "installing check-jsonschema, ShellCheck, hadolint, act and dkimpy"
  python3 -m venv --clear "$dir/venv"
  "$dir/venv/bin/pip" install -q --disable-pip-version-check -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$dir/requirements.txt"
fi

# Of Debian's package only promtool is unpacked.
if [ ! -x "$dir/promtool" ]; then
  echo "unpacking promtool"
  deb=$(mktemp -d)
  (cd "$deb" && apt-get update -qq && apt-get download -qq -o APT::Sandbox::User=root prometheus)
  dpkg-deb --fsys-tarfile "$deb"/prometheus_*.deb | tar -x -C "$deb" ./usr/bin/promtool
  mv "$deb/usr/bin/promtool" "$dir/promtool"
  rm -rf "$deb"
fi

# The schema of Jenkins' xunit-plugin (MIT, © 2014 Gregory Boissinot) is among the tests of pytest, which hold pytest's own
# reports against it.
if [ ! -s "$dir/junit-10.xsd" ]; then
  echo "fetching Jenkins' schema"
  work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
  "$dir/venv/bin/pip" download -q --disable-pip-version-check --no-deps --no-binary pytest -d "$work" pytest==8.4.2
  tar xzf "$work"/pytest-8.4.2.tar.gz -C "$work" pytest-8.4.2/testing/example_scripts/junit-10.xsd
  mv "$work"/pytest-8.4.2/testing/example_scripts/junit-10.xsd "$dir/junit-10.xsd"
fi
