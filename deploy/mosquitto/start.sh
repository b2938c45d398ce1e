#!/bin/sh
# Mosquitto's first start: the gateways' own user. What `access` of compose.yaml
# writes later, with the devices, is left as it is.
set -eu
umask 027
access=/mosquitto/data/access
mkdir -p "$access"
if [ ! -s "$access/password_file" ]; then
	printf 'user haidang\ntopic readwrite kh/#\ntopic read $SYS/broker/#\n' >"$access/acl_file"
	printf 'haidang:%s\n' "$HAIDANG_BROKER_PASSWORD" >"$access/password_file.new"
	mosquitto_passwd -U "$access/password_file.new" # hashes it in place, so that no command line shows it
	mv "$access/password_file.new" "$access/password_file"
fi
exec mosquitto -c /mosquitto/config/mosquitto.conf
