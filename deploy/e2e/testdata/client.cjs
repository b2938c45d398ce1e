// Sends to a city by the npm package mqtt, with each version, over TCP and WebSocket:
//
//   client.cjs FOLDER-OF-node_modules MQTT-HOST:PORT HTTP-HOST:PORT
//
// At each QoS a message goes out and comes back.
const [folder, broker, http] = process.argv.slice(2)
const mqtt = require(require.resolve('mqtt', { paths: [folder] }))

async function talk(url, version) {
  const name = `npm-${version}-${url.startsWith('ws') ? 'ws' : 'tcp'}`
  const c = await mqtt.connectAsync(url, { clientId: name, protocolVersion: version, protocolId: version === 3 ? 'MQIsdp' : 'MQTT', keepalive: 30 })
  const got = []
  let more = () => {}
  c.on('message', (topic, payload, packet) => {
    got.push(`${topic} ${payload} ${packet.qos}`)
    more()
  })
  const topic = `kh/cam-ranh/noise/${name}`
  await c.subscribeAsync(topic, { qos: 2 })
  for (const qos of [0, 1, 2]) {
    const payload = JSON.stringify({ laeq: 60 + qos })
    const want = `${topic} ${payload} ${qos}`
    const came = new Promise(resolve => { more = () => got.includes(want) && resolve() })
    await c.publishAsync(topic, payload, { qos })
    more()
    await came
  }
  await c.endAsync()
  console.log('ok', name)
}

setTimeout(() => { console.error('not done after a minute'); process.exit(1) }, 60000).unref()
;(async () => {
  for (const version of [3, 4, 5])
    for (const url of [`mqtt://${broker}`, `ws://${http}/mqtt`]) await talk(url, version)
  process.exit(0)
})()
