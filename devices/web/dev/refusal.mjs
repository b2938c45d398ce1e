// What the city in memory refuses, in the form of the server's problem details.

export class Refusal extends Error {
  constructor(status, code, errors) { super(code); Object.assign(this, { status, code, errors }) }
}
export const refuse = (status, code, field, fault, vi, en, more = {}) => { throw new Refusal(status, code, [{ field, code: fault, vi, en, ...more }]) }
