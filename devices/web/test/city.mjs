// A real city for browser tests and pictures: the program itself, on ports that
// the kernel chooses, in a folder that goes with it; people and devices of it;
// and the road that a phone reaches it by.

import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createConnection, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const PROGRAM = process.env.HAIDANG ?? fileURLToPath(new URL('../../../haidang', import.meta.url))
const PASSWORD = 'ngọn đèn trên mũi đá xa'
const PATIENCE = 60_000
const sleep = (ms) => new Promise((done) => setTimeout(done, ms))

/** Waits for something to be said, for as long as a busy machine needs. */
export async function eventually(what, ask, patience = PATIENCE) {
  let last
  for (const end = Date.now() + patience; Date.now() < end; await sleep(100)) {
    last = await ask()
    if (last) return last
  }
  throw new Error(`after ${patience / 1000} s still not: ${what}; last was ${JSON.stringify(last)}`)
}

/** Starts `haidang up` with more arguments and waits until it is ready. */
export async function startCity(...more) {
  const data = mkdtempSync(join(tmpdir(), 'haidang-console-'))
  const child = spawn(PROGRAM, ['up', '--http', '127.0.0.1:0', '--mqtt', '127.0.0.1:0', '--data', data, ...more], { stdio: ['ignore', 'pipe', 'pipe'] })
  const kill = () => {
    child.kill('SIGKILL')
    rmSync(data, { recursive: true, force: true, maxRetries: 5 })
  }
  process.once('exit', kill)
  let said = ''
  for (const out of [child.stdout, child.stderr]) out.on('data', (b) => (said = (said + b).slice(-200_000)))
  let ended = false
  const end = once(child, 'close').then(() => (ended = true))
  child.on('error', (e) => (said += `${PROGRAM}: ${e.message}: make build makes it\n`))
  await eventually('the city is ready', () => {
    if (ended) throw new Error(`haidang up has ended:\n${said}`)
    return /Ctrl-C stops it/.test(said) && /\n {2}Admission .*\n/.test(said)
  })
  const [, url] = /Console +(http:\S+)/.exec(said)
  const [, mqtt] = /MQTT +tcp:\/\/(\S+)/.exec(said)
  return new City(url, mqtt, /\/welcome#(\S+)/.exec(said)?.[1], async () => {
    child.kill('SIGINT')
    await Promise.race([end, sleep(15_000)])
    process.removeListener('exit', kill)
    kill()
    if (/panic:|DATA RACE/.test(said)) throw new Error(said)
  })
}

class City {
  constructor(url, mqtt, link, stop) {
    Object.assign(this, { url, mqtt, link, stop, token: '' })
  }

  /** Makes an account with a one-time link; its cookies open a browser context. */
  async redeem(link, name) {
    const answer = await fetch(`${this.url}/api/v1/links/redeem`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ link, name, password: PASSWORD }) })
    if (!answer.ok) throw new Error(`redeem: ${answer.status} ${await answer.text()}`)
    const [cookie, value] = answer.headers.getSetCookie()[0].split(';')[0].split(/=(.*)/)
    const { csrf } = await answer.json()
    const storageState = { cookies: [{ name: cookie, value, domain: '127.0.0.1', path: '/', expires: -1, httpOnly: true, secure: false, sameSite: 'Lax' }], origins: [] }
    return { name, password: PASSWORD, storageState, headers: { Cookie: `${cookie}=${value}`, 'X-CSRF-Token': csrf } }
  }

  /** What the test itself asks is asked with an administrator's token. */
  async useToken(headers) {
    const made = await this.call('POST', '/tokens', { name: 'test', scopes: ['read', 'register', 'operate', 'admin'], days: 1 }, headers)
    this.token = made.secret
  }

  async administrator() {
    const a = await this.redeem(this.link, 'quan-tri')
    await this.useToken(a.headers)
    return a
  }

  async person(role, name = role, more = {}) {
    const { link } = await this.call('POST', '/links', { role, ...more })
    return this.redeem(link, name)
  }

  /** Calls the REST interface. */
  async call(method, path, body, headers = this.token ? { Authorization: `Bearer ${this.token}` } : {}) {
    const answer = await fetch(`${this.url}/api/v1${path}`, { method, headers: { ...(body && { 'Content-Type': 'application/json' }), ...headers }, body: body && JSON.stringify(body) })
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
    if (!/json/.test(answer.headers.get('Content-Type') ?? '')) return Buffer.from(await answer.arrayBuffer())
    return answer.json()
  }

  /** Registers a device at a site of its own, as the field team would. */
  register(device, kinds, site, more = {}) {
    return this.call('POST', '/registrations', {
      request_id: `request-${device}`, device: { id: device, kinds }, new_site: true,
      site: { name: device, locality: 'nha-trang', ward: '22366', position: { lat: 12.2588, lon: 109.1985 }, ...site }, ...more,
    })
  }

  /** Publishes with Debian's mosquitto_pub; fails where the broker refuses it. */
  publish(topic, payload, { user, secret } = {}) {
    const [host, port] = this.mqtt.split(':')
    const login = user ? ['-u', user, '-P', secret, '-i', user] : []
    const text = typeof payload === 'string' ? payload : JSON.stringify(payload)
    return promisify(execFile)('mosquitto_pub', ['-h', host, '-p', port, '-q', '1', ...login, '-t', topic, '-m', text], { timeout: PATIENCE })
  }

  /** The readings of a site that the store has, newest last. */
  async stored(metric, site) {
    const query = encodeURIComponent(`{__name__="${metric}",site="${site}"}[1d]`)
    const answer = await fetch(`${this.url}/prometheus/api/v1/query?query=${query}`, { headers: { Authorization: `Bearer ${this.token}` } })
    const { data } = await answer.json()
    return data.result.flatMap((s) => s.values.map(([at, v]) => ({ at, value: Number(v), device: s.metric.device }))).sort((a, b) => a.at - b.at)
  }
}

/** A road to a server that can be closed, and that can take a request there and
 *  lose the answer. It counts the requests that pass it. */
export async function road(to) {
  const { hostname, port } = new URL(to)
  const r = { open: true, loseAnswerTo: '', passed: [], url: '', close: () => server.close() }
  const server = createServer((near) => {
    if (!r.open) return near.destroy()
    const far = createConnection(Number(port), hostname)
    let lost = false
    const drop = () => (near.destroy(), far.destroy())
    near.on('data', (b) => {
      if (!r.open) return drop()
      const line = /^(GET|POST|PUT|DELETE) \S+/.exec(b.toString('latin1'))?.[0]
      if (line) r.passed.push(line)
      if (line && line === r.loseAnswerTo) lost = true
      far.write(b)
    })
    far.on('data', (b) => {
      if (lost) r.open = false // until the test opens it again
      if (!r.open) return drop()
      near.write(b)
    })
    for (const [a, b] of [[near, far], [far, near]]) {
      a.on('error', () => b.destroy())
      a.on('close', () => b.destroy())
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  r.url = `http://127.0.0.1:${server.address().port}`
  return r
}
