#!/bin/sh
# Makes the root file system of the parts' images in /root-fs, out of Debian 13 packages and Python
# 3.11: packages of Debian 12, which Debian 13's libraries suit (both have the time64 names). There
# is no package manager in it, no shell and no setuid program; what a part needs beside it stands
# in the part's pyproject.toml (`debian`), and `add` brings it.
#   system.sh build            installs what the build stages need
#   system.sh root             makes /root-fs
#   system.sh add PACKAGE...   adds packages to it
set -eu
export DEBIAN_FRONTEND=noninteractive
ROOT=/root-fs
LISTS=/etc/apt/sources.list.d
# What Python, the wheels of manylinux and TLS need; modules whose libraries are not here go below.
PACKAGES="base-files tzdata libc6 libgcc-s1 libstdc++6 zlib1g libbz2-1.0 liblzma5 libexpat1 libffi8
 libsqlite3-0 libssl3t64 libzstd1 libcrypt1 libuuid1
 python3.11-minimal libpython3.11-minimal libpython3.11-stdlib"

sources() {
  # shellcheck disable=SC2016 # apt's own variable
  own=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | sed -n '/security/!{p;q}')
  mirror=${DEBIAN_MIRROR:-$own}
  mirror=${mirror%/}
  : "${mirror:?the base names no mirror of Debian; give one as DEBIAN_MIRROR}"
  rm -f "$LISTS"/* /etc/apt/sources.list
  for suite in trixie bookworm; do
    echo "deb $mirror $suite main"
    echo "deb $mirror-security $suite-security main"
  done >"$LISTS/taxi.list"
  # Of Debian 12 comes only what Debian 13 does not have.
  printf 'Package: *\nPin: release n=bookworm*\nPin-Priority: 100\n' >/etc/apt/preferences.d/taxi
  apt-get update -q
}

build() {
  sources
  apt-get install -q -y --no-install-recommends ca-certificates python3.11 python3-pip-whl
  # pip runs from its wheel: Debian 13's pip is for its own Python.
  printf '#!/bin/sh\nexec python3.11 %s/pip "$@"\n' /usr/share/python-wheels/pip-*.whl >/usr/local/bin/pip
  chmod 755 /usr/local/bin/pip
}

# Unpacks packages as they are: no script of theirs runs. Scanners read status.d.
unpack() {
  mkdir -p /tmp/packages "$ROOT/var/lib/dpkg/status.d"
  cd /tmp/packages
  # shellcheck disable=SC2086 # several words
  apt-get -o APT::Sandbox::User=root download -q $1
  for package in ./*.deb; do
    dpkg-deb -x "$package" "$ROOT"
    name=$(dpkg-deb -f "$package" Package)
    dpkg-deb -f "$package" >"$ROOT/var/lib/dpkg/status.d/$name"
  done
  cd / && rm -rf /tmp/packages
  # Of the documents the licences stay.
  find "$ROOT/usr/share/doc" -type f ! -name copyright -delete
  rm -rf "$ROOT"/usr/share/man "$ROOT"/usr/share/info "$ROOT"/usr/share/locale \
    "$ROOT"/usr/share/lintian "$ROOT"/usr/share/zoneinfo/right "$ROOT"/usr/share/zoneinfo/posix
  ldconfig -r "$ROOT"
}

root() {
  mkdir -p "$ROOT"
  unpack "$PACKAGES"
  mkdir -p -m 1777 "$ROOT/tmp"
  mkdir -p "$ROOT/etc/ssl/certs"
  cp /etc/ssl/certs/ca-certificates.crt "$ROOT/etc/ssl/certs/"
  ln -sf certs/ca-certificates.crt "$ROOT/etc/ssl/cert.pem"
  printf 'root:x:0:0:root:/:/sbin/nologin\ntaxi:x:10001:10001:taxi-monitoring:/tmp:/sbin/nologin\n' >"$ROOT/etc/passwd"
  printf 'root:x:0:\ntaxi:x:10001:\n' >"$ROOT/etc/group"
  # Terminals, NIS and Berkeley DB: their libraries would bring Kerberos and more.
  for module in _curses _curses_panel _dbm nis readline; do
    rm "$ROOT"/usr/lib/python3.11/lib-dynload/"$module".*
  done
  python3.11 -m compileall -q --invalidation-mode unchecked-hash -s "$ROOT" "$ROOT/usr/lib/python3.11"
}

step=$1
shift
case $step in
  build | root) "$step" ;;
  add) [ $# = 0 ] || { apt-get update -q; unpack "$*"; } ;;
  *) echo "system.sh: $step: is no step; build, root or add" >&2; exit 2 ;;
esac
