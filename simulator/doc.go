// Package simulator is a city of sensors that speak real MQTT.
//
// # The path of a simulated reading
//
//	city (what is true) ──► instrument ──► faults ──► format ──► Emission: when, where, bytes
//	                        noise, clock,  stuck, flat,            and the Truth: what the
//	                        battery, radio garbage, outage         pipeline must do with it
//
// A [Scenario] says what city, which devices, and what goes wrong, over a time
// line of its own. Its fleet answers for any device and any period directly
// ([Fleet.Feed]), in order of sending, also for what is never sent: a scorer
// needs no more to know what must be in the store. [Fleet.Plan] is the same for
// many devices, without what is not sent, and is what a sender goes by.
//
// Devices measure at even steps of their own clock, which drifts by some
// millionths and is set once a day, and send a little later. No two readings of a
// device have one time, even if its clock is set back: the last three bits of the
// milliseconds tell by which clock it was. What a device keeps while its gateway
// is away it sends afterwards in a burst, with the old times.
//
// Only the native format has a codec in the pipeline. What is sent in another is
// "unsubscribed" to the truth: no gateway listens to its topics, so nothing must
// be stored of it, and scoring it waits for its codec.
//
// # Sending
//
// A [Fleet] is pure: from a seed it makes devices, and for any period the plan
// of what each sends and when. Nothing in it knows a clock or a network, so the
// same seed and start give the same bytes on every run, however many goroutines
// render them. Byte for byte holds among machines of one architecture: another
// may round a cosine differently.
//
// A [Simulator] sends a fleet's plan to a broker. It is an open loop: a message
// has its time in the plan, and a broker that is slow or away changes nothing
// about it. What could not be sent in time is sent late, in order, and counted
// as late; nothing is skipped. Because the plan can be asked for again, neither
// the backlog nor the unacknowledged messages take memory that grows with them.
//
// Every device has a connection of its own, as long as there are few enough (see
// [Options].Connections): its MQTT will marks it offline at
// kh/<locality>/status/<device>, and it says online when it connects. Readings
// go to kh/<locality>/<kind>/<device> in the native format:
//
//	{"ts":1795293000123,"seq":7,"pm1":8.1,"pm25":12.4,…,"bat":3.7,"rssi":-92}
//
// A message counts as acknowledged when the broker has confirmed it (QoS 1). One
// that was not confirmed when its connection broke is sent again on the next, so
// the broker may receive it twice; Stats.Resent says how often that was.
package simulator
