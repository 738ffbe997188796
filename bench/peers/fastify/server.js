// A shop on Fastify: one process a core, prepared statements, responses serialised by their schemas.

import cluster from 'node:cluster'
import { createHash } from 'node:crypto'
import { createVerifier } from 'fast-jwt'
import Fastify, { LogController } from 'fastify'
import pg from 'pg'
import * as sql from './sql.js'
import * as schemas from './schemas.js'

const WORKERS = Number(process.env.WEB_CONCURRENCY ?? 2)
const CONNECTIONS = Number(process.env.WEB_THREADS ?? 4)

if (cluster.isPrimary) {
  for (let number = 0; number < WORKERS; number += 1) cluster.fork()
  cluster.on('exit', () => process.exit(1))
  process.on('SIGTERM', () => process.exit(0))
} else {
  await serve()
}

async function serve() {
  const pool = new pg.Pool({ max: CONNECTIONS, idleTimeoutMillis: 0 }) // PGHOST, PGUSER and PGDATABASE say where
  const query = async (statement, values) => (await pool.query({ ...statement, values })).rows
  const verify = createVerifier({ key: process.env.PEER_KEY, algorithms: ['HS256'] })
  const logController = new LogController({ disableRequestLogging: true })
  const app = Fastify({ logger: true, logController, keepAliveTimeout: 60_000 })

  // One line a request, as the others write.
  app.addHook('onResponse', async (request, reply) => {
    request.log.info({ method: request.method, url: request.url, status: reply.statusCode, ms: reply.elapsedTime })
  })

  const requireCustomer = async (request, reply) => {
    try {
      request.customer = verify((request.headers.authorization ?? '').replace(/^Bearer /, '')).user_id
    } catch {
      return reply.code(401).send({ detail: 'The token is not valid.' })
    }
    const rows = await query(sql.PRINCIPAL, [request.customer])
    if (rows.length === 0) return reply.code(401).send({ detail: 'The account is not active.' })
  }

  app.get('/empty', { schema: schemas.EMPTY }, async () => ({ ok: true }))

  app.get('/products', { schema: schemas.LIST_PRODUCTS }, async (request) => {
    const { limit, starting_after: after } = request.query
    const rows = after
      ? await query(sql.LIST_PRODUCTS_AFTER, [limit + 1, after])
      : await query(sql.LIST_PRODUCTS, [limit + 1])
    return { data: rows.slice(0, limit), has_more: rows.length > limit }
  })

  app.get('/products/:id', { schema: schemas.READ_PRODUCT }, async (request, reply) => {
    const [product] = await query(sql.READ_PRODUCT, [request.params.id])
    return product ?? reply.code(404).send({ detail: 'There is no such product.' })
  })

  app.get('/orders/:id', { schema: schemas.READ_ORDER, preHandler: requireCustomer }, async (request, reply) => {
    const rows = await query(sql.READ_ORDER, [request.params.id, request.customer])
    return rows.length > 0 ? orderOf(rows) : reply.code(404).send({ detail: 'There is no such order.' })
  })

  app.post('/orders', { schema: schemas.PLACE_ORDER, preHandler: requireCustomer }, async (request, reply) => {
    const { lines, shipping_address_id: address } = request.body
    const key = request.headers['idempotency-key']
    const fingerprint = createHash('sha256').update(JSON.stringify(request.body)).digest('hex')
    const rows = await query(sql.PLACE_ORDER, [
      request.customer, key, fingerprint, address,
      lines.map((line) => line.variant_id), lines.map((line) => line.quantity),
    ])
    if (!rows[0].has_address) return reply.code(400).send({ detail: 'There is no such address.' })
    if (!rows[0].is_claimed) return repeat(request, reply, { key, fingerprint })
    if (rows[0].id === null) return reply.code(409).send({ detail: 'There are not enough units.' })
    return reply.code(201).send(orderOf(rows))
  })

  async function repeat(request, reply, { key, fingerprint }) {
    const [claim] = await query(sql.FIND_KEY, [request.customer, key])
    if (claim.fingerprint !== fingerprint) {
      return reply.code(422).send({ detail: 'The key was used for another request.' })
    }
    const rows = await query(sql.READ_ORDER, [claim.order_id, request.customer])
    if (rows.length === 0) return reply.code(409).send({ detail: 'There are not enough units.' })
    return reply.code(201).send(orderOf(rows))
  }

  await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' })
}

function orderOf(rows) {
  const { id, status, total_amount, placed_at, address_id, name, phone, line1, city, state, pin } = rows[0]
  return {
    id, status, total_amount, placed_at,
    shipping_address: { id: address_id, name, phone, line1, city, state, pin },
    lines: rows.map((row) => ({
      position: row.position, variant_id: row.variant_id, sku: row.sku, name: row.line_name, quantity: row.quantity,
      unit_price: row.unit_price, total_amount: row.line_amount,
    })),
  }
}
