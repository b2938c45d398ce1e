// Who is logged in. The last answer is kept, so that the field app opens where
// there is no coverage; what it sends later is judged by the server's session.

import { changePassword, endLogIns, getSession, logIn, logOut, redeemLink } from './access'
import type { Role, Session } from './api'
import { onUnauthorized, setCSRF, Unreachable } from './http'

const KEY = 'haidang-session'
const order: Role[] = ['viewer', 'field', 'operator', 'admin']

class SessionHolder {
  current = $state.raw<Session | undefined>()
  /** undefined until the server has been asked once. */
  known = $state<'yes' | 'no' | 'offline' | undefined>()
  /** The server also takes accounts of the office's identity provider. */
  oidc = $state(false)

  constructor() {
    onUnauthorized(() => this.end())
  }

  async load() {
    try {
      this.begin(await getSession())
    } catch (e) {
      if (!(e instanceof Unreachable)) return this.end()
      const kept = localStorage.getItem(KEY)
      this.current = kept ? (JSON.parse(kept) as Session) : undefined
      this.known = 'offline'
    }
  }

  async logIn(name: string, password: string) {
    this.begin(await logIn(name, password))
  }

  async redeem(link: string, name: string | undefined, password: string) {
    this.begin(await redeemLink({ link, name, password }))
  }

  async logOut() {
    await logOut()
    this.end()
  }

  /** Ends all of one's other log-ins. */
  async changePassword(old: string, password: string) {
    this.begin(await changePassword(old, password))
  }

  async logOutEverywhere() {
    await endLogIns()
    this.end()
  }

  may(role: Role): boolean {
    return order.indexOf((this.current?.role || 'none') as Role) >= order.indexOf(role)
  }

  /** May one act there? What has no locality is the whole city's, and not for who is restricted. */
  mayAt(role: Role, locality: string | undefined): boolean {
    const own = this.current?.localities
    return this.may(role) && (!own?.length || (!!locality && own.includes(locality)))
  }

  private begin(s: Session) {
    this.oidc = s.oidc
    if (!s.signedIn && s.mode !== 'open') return this.end()
    setCSRF(s.csrf)
    this.current = s
    this.known = 'yes'
    const { csrf: _secret, ...kept } = s
    localStorage.setItem(KEY, JSON.stringify(kept))
  }

  private end() {
    setCSRF(undefined)
    this.current = undefined
    this.known = 'no'
    localStorage.removeItem(KEY)
  }
}

export const session = new SessionHolder()
