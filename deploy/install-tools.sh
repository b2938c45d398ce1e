#!/usr/bin/env bash
# Installs the real servers that the tests run against: those that Debian
# packages with apt-get, if this is root, and InfluxDB 1.8 with `go install` into
# $HAIDANG_TOOLS (default ~/.cache/haidang-tools). What is there already is left
# alone, so a second run takes a moment. `deploy/install-tools.sh bench` builds what
# only `make bench` runs too: Telegraf, with nothing in it but what is needed there.
#
# On a laptop whatever cannot be installed is named, and its tests skip. Under
# CI=true it is an error.
set -euo pipefail

readonly INFLUXDB=v1.8.3
readonly TELEGRAF=v1.37.2
readonly NPM_MQTT=5.16.0
readonly TOOLS=${HAIDANG_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/haidang-tools}

say() { echo "==> tools: $*"; }
warn() { echo "!!  tools: $*" >&2; }

# have PROGRAM: is it installed? Debian keeps some where users do not look.
have() {
	case $1 in
	paho) /usr/bin/python3 -c 'import paho.mqtt.client' 2>/dev/null ;;
	postgres) compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || command -v postgres >/dev/null ;;
	gcc) echo 'int main(void) { return 0; }' | gcc -include stdlib.h -x c -o /dev/null - 2>/dev/null ;;
	*) PATH=$PATH:/usr/sbin:/usr/local/sbin command -v "$1" >/dev/null ;;
	esac
}

# missing prints the Debian packages whose programs are not there.
missing() {
	local program packages
	while read -r program packages; do
		have "$program" || echo "$packages"
	done <<-'PROGRAMS'
		mosquitto        mosquitto
		mosquitto_pub    mosquitto-clients
		victoria-metrics victoria-metrics
		postgres         postgresql
		prometheus-alertmanager prometheus-alertmanager
		chromium         chromium
		gcc              gcc libc6-dev
		paho             python3-paho-mqtt
	PROGRAMS
}

# forbid_services keeps packages from starting their servers, which would take
# the default ports of whatever else this machine is for; tests start their own.
forbid_services() {
	local policy=/usr/sbin/policy-rc.d
	[[ -e $policy ]] && return
	trap "rm -f $policy" EXIT
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod +x "$policy"
}

apt() { DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@" >/dev/null; }

# known: does apt have a version of each package? A fresh machine has no lists.
known() {
	local package
	for package in "$@"; do
		[[ $(LC_ALL=C apt-cache policy "$package" 2>/dev/null) == *Candidate:\ [0-9]* ]] || return 1
	done
}

debian_packages() {
	local packages
	# shellcheck disable=SC2046 # a package a word
	set -- $(missing)
	packages=$*
	if [[ -z $packages ]]; then
		return
	fi
	if [[ $EUID != 0 ]] || ! command -v apt-get >/dev/null; then
		warn "missing; on Debian: sudo apt-get install $packages"
		return
	fi
	say "installing from Debian: $packages"
	forbid_services
	if ! known "$@"; then
		apt update || warn "apt-get update failed"
	fi
	if ! apt install --no-install-recommends -y "$@"; then
		# The lists may be older than the archive.
		{ apt update && apt install --no-install-recommends -y "$@"; } || warn "apt-get install failed"
	fi
}

influxdb_present() {
	[[ -x $TOOLS/influxd ]] && go version -m "$TOOLS/influxd" 2>/dev/null | grep -q "github.com/influxdata/influxdb[[:space:]]$INFLUXDB[[:space:]]"
}

influxdb() {
	influxdb_present && return
	say "building InfluxDB $INFLUXDB into $TOOLS (about two minutes, once)"
	# Outside the module and without its flags, so that go.mod stays as it is.
	(mkdir -p "$TOOLS" && cd "$TOOLS" && CGO_ENABLED=0 GOFLAGS='' GOWORK=off GOBIN=$TOOLS go install "github.com/influxdata/influxdb/cmd/influxd@$INFLUXDB") ||
		warn "go install influxd failed"
}

telegraf_present() {
	[[ -x $TOOLS/telegraf ]] && go version -m "$TOOLS/telegraf" 2>/dev/null | grep -q "github.com/influxdata/telegraf[[:space:]]$TELEGRAF[[:space:]]"
}

telegraf() {
	telegraf_present && return
	say "building Telegraf $TELEGRAF into $TOOLS (some minutes, once)"
	(mkdir -p "$TOOLS" && cd "$TOOLS" && CGO_ENABLED=0 GOFLAGS='' GOWORK=off GOBIN=$TOOLS go install \
		-tags custom,inputs.mqtt_consumer,outputs.influxdb,parsers.json "github.com/influxdata/telegraf/cmd/telegraf@$TELEGRAF") ||
		warn "go install telegraf failed"
}

npm_mqtt_present() { grep -qs "\"version\": \"$NPM_MQTT\"" "$TOOLS/node_modules/mqtt/package.json"; }

npm_mqtt() {
	npm_mqtt_present && return
	if ! command -v npm >/dev/null; then
		warn "npm is missing; its mqtt is not installed"
		return
	fi
	say "installing npm's mqtt $NPM_MQTT into $TOOLS"
	mkdir -p "$TOOLS" && npm install --silent --no-audit --no-fund --prefix "$TOOLS" "mqtt@$NPM_MQTT" >/dev/null || warn "npm install mqtt failed"
}

debian_packages
influxdb
npm_mqtt
[[ ${1:-} != bench ]] || telegraf

left=$(missing | tr '\n' ' ')
influxdb_present || left+="influxd@$INFLUXDB "
npm_mqtt_present || left+="mqtt@$NPM_MQTT (npm) "
[[ ${1:-} != bench ]] || telegraf_present || left+="telegraf@$TELEGRAF"
left=${left% }
if [[ -z $left ]]; then
	say "all there"
elif [[ ${CI:-} == true ]]; then
	warn "still missing, and CI=true allows no skip: $left"
	exit 1
else
	warn "going on without: $left; their tests skip"
fi
