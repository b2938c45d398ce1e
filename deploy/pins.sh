#!/usr/bin/env bash
# usage: deploy/pins.sh         say which images are pinned by digest; exit 1 if one is not
#        deploy/pins.sh pin     ask Docker Hub for the digest of each tag and write it behind it
#        deploy/pins.sh verify  ask again; exit 1 where a tag has another digest now
#
# A tag can be moved, a digest cannot. Digests are only ever what the registry
# answered: none is written without having asked it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
files=(Dockerfile compose.yaml compose.embedded.yaml)
mode=${1:-list}

# images prints file and image, without what is built here.
images() {
	grep -HoE '^(FROM|  *image:) +[^ ]+' "${files[@]}" | sed -E 's/:(FROM|  *image:) +/ /' | grep -vE ' (scratch|haidang:latest)$' | sort -u
}

# digest asks Docker Hub for the digest of name:tag, of all platforms together.
digest() {
	local name=${1%%:*} tag=${1##*:} token
	[[ $name == */* ]] || name=library/$name
	token=$(curl --silent --show-error --fail --max-time 10 "https://auth.docker.io/token?service=registry.docker.io&scope=repository:$name:pull" | sed -E 's/.*"token": *"([^"]+)".*/\1/') || return 1
	curl --silent --show-error --fail --max-time 10 --head -H "Authorization: Bearer $token" \
		-H 'Accept: application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json' \
		"https://registry-1.docker.io/v2/$name/manifests/$tag" | tr -d '\r' | sed -nE 's/^docker-content-digest: *(sha256:[0-9a-f]{64})$/\1/Ip'
}

bad=0
while read -r file image; do
	tagged=${image%@*} have=
	[[ $image == *@* ]] && have=${image#*@}
	if [[ $mode == list ]]; then
		[[ -n $have ]] && echo "$file: $image" || { echo "$file: $image is NOT PINNED: run deploy/pins.sh pin where Docker Hub is reachable"; bad=1; }
		continue
	fi
	now=$(digest "$tagged") || now=
	if [[ ! $now =~ ^sha256:[0-9a-f]{64}$ ]]; then
		echo "$file: Docker Hub does not tell the digest of $tagged: it stays as it is"; bad=1
	elif [[ $mode == pin ]]; then
		sed -i -E "s#^((FROM|  *image:) +)$tagged(@sha256:[0-9a-f]+)?( |\$)#\1$tagged@$now\4#" "$file"
		echo "$file: $tagged@$now"
	elif [[ $have == "$now" ]]; then
		echo "$file: $tagged is what was pinned"
	else
		echo "$file: $tagged was pinned as ${have:-nothing} and is $now: who moved it?"; bad=1
	fi
done < <(images)
exit $bad
