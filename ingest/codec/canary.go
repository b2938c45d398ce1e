package codec

import (
	"strconv"
	"strings"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// A canary is a message that a gateway sends itself through broker, journal, loader
// and store, to prove the way:
//
//	kh/nha-trang/canary/~nha-trang    canary 8172635445
//
// Its topic has a level of the gateway's name after a ~, which no device's id can
// begin with: so it is no device's, and no device may publish to it.

const (
	canaryMark  = "~"
	canaryLevel = "canary"
	canaryWord  = "canary "
	// MaxCanary bounds a canary's number: stores that keep decimals return 12 digits.
	MaxCanary = 1e12
)

// Canary is what a gateway's message to itself says.
type Canary struct {
	Gateway string
	// Locality is that of the topic; empty where its filter names none.
	Locality telemetry.Locality
	// Number is drawn by the gateway, 1 to MaxCanary−1.
	Number uint64
}

// CanaryTopic is where a gateway sends its canary so that it comes back through a
// subscription. It is false for a filter without a wildcard, whose one topic is
// somebody's, and for a shared subscription, which may deliver it to another.
func CanaryTopic(filter, gateway string) (string, bool) {
	if strings.HasPrefix(filter, "$") || !strings.ContainsAny(filter, "+#") {
		return "", false
	}
	levels := strings.Split(filter, "/")
	for i, level := range levels {
		switch level {
		case "+":
			levels[i] = canaryMark + gateway
		case "#":
			levels[i] = canaryLevel + "/" + canaryMark + gateway
		}
	}
	return strings.Join(levels, "/"), true
}

// CanaryPayload is the payload of a canary.
func CanaryPayload(number uint64) []byte { return strconv.AppendUint([]byte(canaryWord), number, 10) }

// ParseCanary reads a canary; it is false for any other message.
func ParseCanary(topic string, payload []byte) (Canary, bool) {
	_, gateway, marked := strings.Cut(topic, "/"+canaryMark)
	if !marked || !strings.HasPrefix(string(payload[:min(len(payload), 32)]), canaryWord) {
		return Canary{}, false
	}
	n, err := strconv.ParseUint(string(payload[len(canaryWord):]), 10, 64)
	if err != nil || n == 0 || n >= MaxCanary {
		return Canary{}, false
	}
	gateway, _, _ = strings.Cut(gateway, "/")
	c := Canary{Gateway: gateway, Number: n}
	if root, rest, _ := strings.Cut(topic, "/"); root == Root {
		if locality, _, _ := strings.Cut(rest, "/"); telemetry.CheckID(locality) == nil && locality != canaryLevel {
			c.Locality = telemetry.Locality(locality)
		}
	}
	return c, gateway != ""
}
