// Accounts, tokens, devices' secrets and the journal of access of the city in
// memory, as the server's REST interface has them.

import { randomBytes } from 'node:crypto'
import { refuse } from './refusal.mjs'

const iso = (ms) => new Date(ms).toISOString()
const secret = (n) => randomBytes(n).toString('base64url')
const DAY = 86400e3

export class Access {
  constructor(now = Date.now()) {
    const account = (name, role, more = {}) => ({ name, role, created: iso(now - 90 * DAY), updated: iso(now - 9 * DAY), version: 1, ...more })
    this.accounts = [
      account('admin', 'admin', { display: 'Nguyễn Thị Lan' }),
      account('operator', 'operator', { display: 'Trần Quốc Bảo' }),
      account('field', 'field', { display: 'Lê Văn Minh', localities: ['nha-trang', 'cam-lam'] }),
      account('viewer', 'viewer', { issuer: 'https://dangnhap.khanhhoa.example' }),
      account('pham.thu', 'field', { display: 'Phạm Thị Thu', disabled: iso(now - 12 * DAY), version: 3 }),
    ]
    const token = (id, account, name, scopes, days, more = {}) => ({ id, account, name, scopes, created: iso(now - 30 * DAY), expires: iso(now + days * DAY), ...more })
    this.tokens = [
      token('k3v9', 'operator', 'Báo cáo hằng tuần', ['read'], 60, { first: iso(now - 29 * DAY), last: iso(now - 3e5) }),
      token('p7xa', 'admin', 'Nhập danh mục từ phần mềm quản lý tài sản', ['operate'], 20),
      token('q1zz', 'operator', 'Thử nghiệm', ['read'], -3, { last: iso(now - 5 * DAY) }),
    ]
    this.credentials = new Map()
    this.events = []
    const events = [
      ['account_created', 'admin', 'operator', undefined, 'operator'], ['log_in', 'operator', 'operator'], ['credential_issued', 'field', 'aq-0001'],
      ['credential_refused', undefined, 'wl-0003', 'wrong_secret', 'client wl-0003', 214], ['topic_refused', 'tr-0004', 'tr-0004', 'not_its_topic', 'kh/nha-trang/air_quality/aq-0001'],
      ['topic_refused', 'tr-0004', 'tr-0004', 'wildcard', 'kh/#'], ['log_in_failed', undefined, 'admin', 'wrong_password', undefined, 5], ['role_changed', 'admin', 'field', undefined, 'viewer → field in nha-trang, cam-lam'],
      ['request_refused', 'viewer', '/api/v1/import', 'role_too_low'], ['token_created', 'operator', 'k3v9', undefined, 'Báo cáo hằng tuần: read'], ['credential_revoked', 'operator', 'wq-0007', 'thất lạc'],
    ]
    for (let i = 0; i < 70; i++) {
      const [action, who, subject, reason, detail, count = 1] = events[i % events.length]
      const at = now - (70 - i) * 17 * 60e3
      this.events.push({ seq: i + 1, action, at: iso(at), since: count > 1 ? iso(at - 5e5) : undefined, count, who, subject, reason, detail, remote: `10.20.4.${i % 9}` })
    }
  }

  note(action, who, subject, detail, reason) {
    this.events.push({ seq: this.events.length + 1, action, at: iso(Date.now()), count: 1, who, subject, reason, detail, remote: '127.0.0.1' })
  }

  /** Answers what is of access; undefined is not found, null is no content. */
  answer(user, role, method, root, id, act, q, input) {
    const admin = () => role === 'admin' || refuse(403, 'forbidden', '', 'role_too_low', 'Cần quyền quản trị.', 'This needs the role admin.')
    switch (root) {
      case 'accounts': admin(); return this.account(user, method, id, act, input)
      case 'links': admin(); this.note('link_created', user, input.account, input.role); return { link: secret(32), expires: iso(Date.now() + DAY) }
      case 'access': admin(); return this.events.filter((e) => (!q.action || e.action === q.action) && (!q.who || e.who === q.who) && (!q.subject || e.subject === q.subject) && (!q.from || e.at >= iso(Date.parse(q.from))) && (!q.before || e.seq < Number(q.before))).reverse().slice(0, Number(q.limit ?? 100))
      case 'sessions': return method === 'DELETE' ? null : [{ account: user, created: iso(Date.now() - DAY), seen: iso(Date.now() - 4e3), expires: iso(Date.now() + 13 * DAY), remote: '10.20.4.7', agent: 'Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/141 Mobile' }]
      case 'tokens': return this.token(user, role, method, id, input)
      case 'devices': return this.credential(user, method, id, q, input)
    }
  }

  account(user, method, name, act, input) {
    if (!name) return this.accounts
    const a = this.accounts.find((x) => x.name === name)
    if (!a) return undefined
    if (act === 'sessions') { this.note('sessions_revoked', user, name); return null }
    if (input.version !== a.version) refuse(409, 'conflict', 'version', 'changed_meanwhile', 'Có người vừa sửa mục này.', 'Somebody changed this meanwhile.')
    const left = this.accounts.some((x) => x.role === 'admin' && !x.disabled && (x !== a || ((input.role ?? a.role) === 'admin' && !input.disabled)))
    if (!left) refuse(409, 'conflict', '', 'last_admin', 'Đây là quản trị viên cuối cùng; hãy chỉ định người khác trước.', 'This is the last administrator; appoint another first.')
    const { version: _seen, disabled, ...rest } = input
    Object.assign(a, rest, { version: a.version + 1 })
    if (disabled !== undefined) a.disabled = disabled ? iso(Date.now()) : undefined
    if (!a.localities?.length) delete a.localities
    this.note('account_changed', user, name)
    return a
  }

  token(user, role, method, id, input) {
    if (method === 'GET') return this.tokens.filter((k) => role === 'admin' || k.account === user)
    if (method === 'DELETE') {
      const k = this.tokens.find((x) => x.id === id)
      if (k) k.revoked = iso(Date.now())
      this.note('token_revoked', user, id)
      return k && null
    }
    const k = { id: secret(4), account: user, name: input.name, scopes: input.scopes, created: iso(Date.now()), expires: iso(Date.now() + input.days * DAY) }
    this.tokens.push(k)
    this.note('token_created', user, k.id, `${k.name}: ${k.scopes}`)
    return { ...k, secret: 'hd_' + secret(32) }
  }

  credential(user, method, device, q, input) {
    const all = this.credentials.get(device) ?? this.credentials.set(device, []).get(device)
    if (method === 'GET') return all.toReversed()
    const now = Date.now()
    all.forEach((c, i) => {
      if (c.revoked) return
      if (method === 'POST' && i === all.length - 1 && input.overlapHours) c.expires = iso(now + input.overlapHours * 3600e3)
      else Object.assign(c, { revoked: iso(now), revokedBy: user })
    })
    this.note(method === 'POST' ? 'credential_issued' : 'credential_revoked', user, device, undefined, q.why)
    if (method === 'DELETE') return null
    const c = { id: now % 1e6, device, issued: iso(now), issuedBy: user }
    all.push(c)
    return { ...c, username: device, secret: randomBytes(16).toString('hex') }
  }
}
