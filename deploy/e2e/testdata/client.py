"""Sends to a city by paho, with each version of MQTT that it has, over TCP and WebSocket:

    client.py MQTT-HOST:PORT HTTP-HOST:PORT

At each QoS a message goes out and comes back; a retained one comes to who subscribes
later; a will comes when its client falls silent."""
import socket
import sys
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.properties import Properties
from paho.mqtt.packettypes import PacketTypes

PATIENCE = 60


def connect(version, transport, name, will=None):
    address = sys.argv[1 if transport == "tcp" else 2]
    host, port = address.rsplit(":", 1)
    more = {} if version == mqtt.MQTTv5 else {"clean_session": True}
    c = mqtt.Client(client_id=name, protocol=version, transport=transport, **more)
    if transport == "websockets":
        c.ws_set_options(path="/mqtt")
    if will:
        c.will_set(*will)
    there, got, changed = threading.Event(), [], threading.Condition()

    def message(_, __, m):
        with changed:
            got.append((m.topic, m.payload, m.qos, m.retain))
            changed.notify_all()

    c.on_connect = lambda _, __, ___, code, *____: there.set() if code == 0 else print("refused", code)
    c.on_message = message
    c.connect(host, int(port), keepalive=30)
    c.loop_start()
    assert there.wait(PATIENCE), "no CONNACK"

    def wait(what):
        with changed:
            assert changed.wait_for(lambda: what in got, PATIENCE), "%s is not among %s" % (what, got)

    return c, wait


def subscribe(c, topic, qos):
    done = threading.Event()
    c.on_subscribe = lambda *_: done.set()
    c.subscribe(topic, qos)
    assert done.wait(PATIENCE), "no SUBACK"


def publish(c, topic, payload, qos, retain=False, properties=None):
    i = c.publish(topic, payload, qos, retain, properties)
    i.wait_for_publish(PATIENCE)
    assert i.is_published(), "%s is not acknowledged" % topic


for version in (mqtt.MQTTv31, mqtt.MQTTv311, mqtt.MQTTv5):
    for transport in ("tcp", "websockets"):
        name = "paho-%d-%s" % (version, transport)
        c, wait = connect(version, transport, name)
        topic = "kh/cam-ranh/noise/" + name
        subscribe(c, topic, 2)
        for qos in (0, 1, 2):
            payload = b'{"laeq":%d}' % (50 + qos)
            properties = None
            if version == mqtt.MQTTv5:
                properties = Properties(PacketTypes.PUBLISH)
                properties.UserProperty = ("from", name)
            publish(c, topic, payload, qos, properties=properties)
            wait((topic, payload, qos, False))
        status = "kh/cam-ranh/status/" + name
        publish(c, status, b"online", 1, retain=True)
        doomed, _ = connect(version, transport, name + "-doomed", will=(status, b"offline", 1, True))
        subscribe(c, status, 1)
        wait((status, b"online", 1, True))
        doomed.loop_stop()
        doomed.socket().shutdown(socket.SHUT_RDWR) if transport == "tcp" else doomed._sock_close()
        wait((status, b"offline", 1, False))
        publish(c, status, b"", 1, retain=True)
        c.disconnect()
        c.loop_stop()
        print("ok", name, flush=True)
