// Answers methods that clients call, with nothing but Node.js: node methods.mjs PORT
//
// [[backend.methods]]
// prefix = "shop."
// url = "http://127.0.0.1:PORT/"
// secret_file = "/run/secrets/shop"     # the same text as in SECRET

import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'

const orders = new Map([[7, 'on its way']])

// Whether the gateway has sent this, within the last five minutes.
function isGenuine(signature, body) {
  const fields = Object.fromEntries(signature.split(',').map((field) => field.split('=')))
  const age = Math.abs(Date.now() / 1000 - Number(fields.t))
  if (!(age <= 300)) return false
  const expect = createHmac('sha256', process.env.SECRET).update(`${fields.t}.`).update(body).digest()
  const found = Buffer.from(fields.v1 ?? '', 'hex')
  return found.length === expect.length && timingSafeEqual(found, expect)
}

// The answer to a call: any JSON. Undefined: there is no such method.
function answer(method, data, user) {
  if (method === 'shop.order') {
    return { order: data.id, state: orders.get(data.id) ?? 'unknown', for: user }
  }
}

const server = createServer(async (request, response) => {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  const body = Buffer.concat(chunks)
  const respond = (status, value) => {
    response.writeHead(status, { 'Content-Type': 'application/json' })
    response.end(JSON.stringify(value ?? null))
  }
  if (!isGenuine(request.headers['x-tidegate-signature'] ?? '', body)) return respond(401)
  const frame = JSON.parse(body)
  const found = answer(frame.type, frame.data, request.headers['x-tidegate-user'] ?? '')
  respond(found === undefined ? 404 : 200, found)
})
server.listen(Number(process.argv[2]), '127.0.0.1')
