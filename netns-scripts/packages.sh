# packages.sh - what Debian 12 must have for each purpose; sourced by the scripts that need it.

PACKAGES_BUILD="build-essential meson ninja-build pkg-config libfyaml-dev libuv1-dev libldns-dev libssl-dev
 libnl-3-dev libnl-route-3-dev libmnl-dev libnftables-dev libjansson-dev libmicrohttpd-dev
 libseccomp-dev libcap-ng-dev libcmocka-dev libbpf-dev clang bpftool"
PACKAGES_DEMO="python3 iproute2 iputils-ping nftables nginx-light nsd unbound iperf3 bind9-dnsutils
 curl traceroute openssh-server openssh-client procps"
PACKAGES_TEST="llvm clang-tidy clang-format python3-pytest python3-pytest-xdist python3-scapy python3-yaml tcpdump radvd ndisc6
 ethtool conntrack tayga awscli iputils-tracepath python3-pyftpdlib bind9 ldnsutils knot-dnsutils openssl
 python3-dnspython dpkg-dev debhelper lintian mmdebstrap systemd-container"

# need_packages PACKAGE... - install those that are missing; their services are not started.
need_packages() {
	missing=""
	for p in "$@"; do
		dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null | grep -qx installed ||
			missing="$missing $p"
	done
	[ -n "$missing" ] || return 0
	echo "installing:$missing"
	if [ "$(id -u)" != 0 ]; then
		echo "not root: install them first" >&2
		return 1
	fi
	policy=/usr/sbin/policy-rc.d
	ours=no
	if [ ! -e "$policy" ]; then
		ours=yes
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
	fi
	status=0
	if ! apt_install $missing; then
		apt-get -qq update && apt_install $missing || status=1
	fi
	[ "$ours" = no ] || rm -f "$policy"
	return "$status"
}

apt_install() {
	DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "$@" >/dev/null
}

# need_s3rver DIR - the S3 store of the tests, from the npm registry, into DIR.
need_s3rver() {
	[ -f "$1/node_modules/s3rver/bin/s3rver.js" ] && return 0
	command -v npm >/dev/null || need_packages nodejs npm || return 1
	echo "installing: s3rver"
	mkdir -p "$1" &&
		timeout 180 npm install --prefix "$1" --silent --no-audit --no-fund --ignore-scripts s3rver@3.7.1
}

# need_resolved DIR - systemd-resolved into DIR: installed, it would become this machine's resolver.
need_resolved() {
	[ -x "$1/lib/systemd/systemd-resolved" ] && return 0
	echo "unpacking: systemd-resolved"
	rm -rf "$1.deb"
	mkdir -p "$1.deb" && (cd "$1.deb" && apt-get -qq download systemd-resolved) &&
		dpkg -x "$1.deb"/systemd-resolved_*.deb "$1" && rm -rf "$1.deb"
}
