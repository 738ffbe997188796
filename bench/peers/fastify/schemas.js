// What goes in is checked by these schemas, and what goes out is serialised by code that Fastify makes of them.

const text = { type: 'string' }
const uuid = { type: 'string', format: 'uuid' }
const integer = { type: 'integer' }
const flag = { type: 'boolean' }
const instant = { type: 'string', format: 'date-time' }
const texts = { type: 'object', additionalProperties: text }
const object = (properties, rest = {}) => ({ type: 'object', properties, ...rest })
const list = (items, rest = {}) => ({ type: 'array', items, ...rest })

const product = {
  id: text, name: text, slug: text, brand: text, category: object({ id: text, name: text, slug: text }),
  lowest_price: integer, in_stock: flag, attributes: texts, is_published: flag, created_at: instant, updated_at: instant,
}
const variant = {
  id: text, sku: text, title: text, price: integer, attributes: texts, position: integer, in_stock: flag,
  created_at: text, updated_at: text,
}
const order = object({
  id: integer, status: text, total_amount: integer, placed_at: instant,
  shipping_address: object({ id: integer, name: text, phone: text, line1: text, city: text, state: text, pin: text }),
  lines: list(object({
    position: integer, variant_id: text, sku: text, name: text, quantity: integer, unit_price: integer,
    total_amount: integer,
  })),
})

export const EMPTY = { response: { 200: object({ ok: flag }) } }

export const LIST_PRODUCTS = {
  querystring: object({ limit: { ...integer, minimum: 1, maximum: 100, default: 25 }, starting_after: uuid }),
  response: { 200: object({ data: list(object(product)), has_more: flag }) },
}

export const READ_PRODUCT = {
  params: object({ id: uuid }),
  response: { 200: object({ ...product, description: text, variants: list(object(variant)) }) },
}

export const READ_ORDER = { params: object({ id: integer }), response: { 200: order } }

export const PLACE_ORDER = {
  headers: object(
    { 'idempotency-key': { type: 'string', minLength: 8, maxLength: 255 } }, { required: ['idempotency-key'] },
  ),
  body: object(
    {
      lines: list(
        object(
          { variant_id: uuid, quantity: { ...integer, minimum: 1, maximum: 1000 } },
          { required: ['variant_id', 'quantity'], additionalProperties: false },
        ),
        { minItems: 1, maxItems: 50 },
      ),
      shipping_address_id: integer,
    },
    { required: ['lines', 'shipping_address_id'] },
  ),
  response: { 201: order },
}
