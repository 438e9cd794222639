#!/usr/bin/env bash
# install.sh DIR [NAME…]   brings the real mail servers that tests/servers/ starts: postfix aiosmtpd exim dovecot sendmail.
#
# Debian's mail servers conflict with one another, so only Postfix is installed; the others are unpacked below DIR and
# run from there in a namespace of their own. Nothing is started here, and the system's own instance never is.
set -euo pipefail
dir=${1:?usage: install.sh DIR [NAME…]}; shift
[ $# -gt 0 ] || set -- postfix aiosmtpd exim dovecot sendmail
mkdir -p "$dir"; dir=$(cd "$dir" && pwd)
export DEBIAN_FRONTEND=noninteractive

updated=
update() { [ -n "$updated" ] || { echo "reading Debian's package lists"; apt-get update -qq; updated=1; }; }

# A freshly installed server would start at once; this policy forbids it for as long as the installation runs.
policy=/usr/sbin/policy-rc.d
install_packages() {
  local missing=()
  for p in "$@"; do dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || missing+=("$p"); done
  [ ${#missing[@]} -gt 0 ] || return 0
  update; echo "installing ${missing[*]}"
  local made=
  [ -e "$policy" ] || { printf '#!/bin/sh\nexit 101\n' > "$policy"; chmod 755 "$policy"; made=1; }
  apt-get install -y -qq --no-install-recommends "${missing[@]}" > "$dir/apt.log" 2>&1 || { cat "$dir/apt.log"; [ -z "$made" ] || rm -f "$policy"; exit 1; }
  [ -z "$made" ] || rm -f "$policy"
}

# unpack INTO PACKAGE…   without installing
unpack() {
  local into=$dir/$1; shift
  [ -e "$into/.done" ] && return 0
  update; echo "unpacking $*"
  mkdir -p "$into" "$dir/packages"
  (cd "$dir/packages" && apt-get download -qq -o APT::Sandbox::User=root "$@")
  for p in "$@"; do dpkg -x "$dir"/packages/"$p"_*.deb "$into"; done
  touch "$into/.done"
}

for name in "$@"; do case $name in
  postfix)  install_packages postfix libsasl2-modules; unpack sasl sasl2-bin ;;
  aiosmtpd) [ -x "$dir/venv/bin/python" ] && "$dir/venv/bin/python" -c 'import aiosmtpd' 2>/dev/null || {
              echo "installing aiosmtpd"; python3 -m venv "$dir/venv"; "$dir/venv/bin/pip" install -q --disable-pip-version-check aiosmtpd==1.4.6; } ;;
  exim)     unpack exim exim4-daemon-heavy exim4-base exim4-config libidn12 libspf2-2 libmariadb3 mariadb-common ;;
  dovecot)  install_packages postfix; unpack dovecot dovecot-core dovecot-lmtpd dovecot-submissiond libexttextcat-2.0-0 libstemmer0d liblua5.4-0 libtirpc3 ;;
  sendmail) unpack sasl sasl2-bin; unpack sendmail sendmail-bin sendmail-base sendmail-cf libwrap0 m4 ;;
  *) echo "install.sh: unknown server: $name" >&2; exit 64 ;;
esac; done
