#!/usr/bin/env bash
# Measures how much one simulator sends into a city on the same machine: RATE
# messages a second from DEVICES devices, each with a connection of its own, for
# SECONDS. It prints what the simulator says at its end, the most memory that both
# took, the CPU time of both, and the ledger. Nothing else should be running.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

devices=${DEVICES:-5000} rate=${RATE:-20000} seconds=${FOR:-60} window=${WINDOW:-4}
http=${HTTP:-127.0.0.1:18080} mqtt=${MQTT:-127.0.0.1:18830}
unset HAIDANG_BROKER HAIDANG_URL
data=$(mktemp -d)
city= simulator=
trap 'kill $simulator $city 2>/dev/null || true; wait; rm -rf "$data"' EXIT

usage() { # of a process: most memory, CPU time
	awk '/VmHWM/ {printf "%d MiB, ", $2/1024}' "/proc/$1/status"
	awk -v hz="$(getconf CLK_TCK)" '{printf "CPU %.1f s\n", ($14+$15)/hz}' "/proc/$1/stat"
}

echo "load of the machine before: $(cut -d' ' -f1-3 /proc/loadavg)"
./haidang up --data "$data/city" --http "$http" --mqtt "$mqtt" >"$data/city.log" 2>&1 &
city=$!
until curl -sf "http://$http/readyz" >/dev/null; do
	kill -0 "$city" || { cat "$data/city.log"; exit 1; }
	sleep 0.2
done
./haidang simulate -n "$devices" --connections "$devices" --in-flight "$window" --rate "$rate/s" --for "${seconds}s" --register \
	--broker "tcp://$mqtt" --url "http://$http" --json >"$data/sent" 2>"$data/log" &
simulator=$!
used=
while now=$(usage "$simulator" 2>/dev/null); do
	used=$now
	sleep 1
done
wait "$simulator" && code=0 || code=$?
tail -n 3 "$data/log"
tail -n 1 "$data/sent"
echo "simulator: $used"
echo "city:      $(usage "$city")"
./haidang audit --url "http://$http" | tail -n 3
echo "load of the machine after: $(cut -d' ' -f1-3 /proc/loadavg)"
exit "$code"
