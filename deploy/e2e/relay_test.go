package e2e_test

import (
	"bufio"
	"net"
	"sync"
	"testing"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// relayMQTT is an MQTT relay before a broker, which changes or swallows what is
// published. Who publishes gets its PUBACK in any case. It returns its address.
func relayMQTT(t *testing.T, broker string, change func(topic string, payload []byte) (string, []byte, bool)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { relayOne(client, broker, change) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	return l.Addr().String()
}

// relayOne relays a connection until either side ends it.
func relayOne(client net.Conn, broker string, change func(topic string, payload []byte) (string, []byte, bool)) {
	defer client.Close()
	server, err := net.Dial("tcp", broker)
	if err != nil {
		return
	}
	var writing sync.Mutex // to the client: the broker's packets and our PUBACKs
	var back sync.WaitGroup
	back.Go(func() {
		defer client.Close()
		in := bufio.NewReader(server)
		for {
			p, err := packets.ReadPacket(in)
			if err != nil {
				return
			}
			writing.Lock()
			err = p.Write(client)
			writing.Unlock()
			if err != nil {
				return
			}
		}
	})
	defer back.Wait()
	defer server.Close()
	in := bufio.NewReader(client)
	for {
		p, err := packets.ReadPacket(in)
		if err != nil {
			return
		}
		if m, ok := p.(*packets.PublishPacket); ok {
			topic, payload, passes := change(m.TopicName, m.Payload)
			if !passes {
				ack := packets.NewControlPacket(packets.Puback).(*packets.PubackPacket)
				ack.MessageID = m.MessageID
				writing.Lock()
				err = ack.Write(client)
				writing.Unlock()
				if err != nil {
					return
				}
				continue
			}
			m.TopicName, m.Payload = topic, payload
		}
		if err := p.Write(server); err != nil {
			return
		}
	}
}
