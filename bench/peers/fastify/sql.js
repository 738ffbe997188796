// The statements. Each has a name, under which `pg` prepares it once per connection.

const PRODUCT = `p.id, p.name, p.slug, p.brand, json_build_object('id', c.id, 'name', c.name, 'slug', c.slug) AS category,
  p.lowest_price::float8 AS lowest_price, p.attributes, p.is_published, p.created_at, p.updated_at,
  EXISTS (SELECT 1 FROM peer_variant v JOIN peer_stock s ON s.variant_id = v.id
          WHERE v.product_id = p.id AND s.on_hand > s.reserved OFFSET 0) AS in_stock`

export const PRINCIPAL = {
  name: 'principal',
  text: 'SELECT id FROM auth_user WHERE id = $1 AND is_active',
}

// A page after the product ($2, $3); without one the first page.
export const LIST_PRODUCTS = {
  name: 'list_products',
  text: `WITH page AS MATERIALIZED (
      SELECT * FROM peer_product WHERE is_published ORDER BY created_at DESC, id DESC LIMIT $1
    ) SELECT ${PRODUCT} FROM page p JOIN peer_category c ON c.id = p.category_id ORDER BY p.created_at DESC, p.id DESC`,
}
export const LIST_PRODUCTS_AFTER = {
  name: 'list_products_after',
  text: LIST_PRODUCTS.text.replace(
    'WHERE is_published',
    'WHERE is_published AND (created_at, id) < (SELECT created_at, id FROM peer_product WHERE id = $2)',
  ),
}

export const READ_PRODUCT = {
  name: 'read_product',
  text: `SELECT ${PRODUCT}, p.description, (
      SELECT json_agg(json_build_object('id', v.id, 'sku', v.sku, 'title', v.title, 'price', v.price,
          'attributes', v.attributes, 'position', v.position, 'in_stock', s.on_hand > s.reserved,
          'created_at', v.created_at, 'updated_at', v.updated_at) ORDER BY v.position)
      FROM peer_variant v JOIN peer_stock s ON s.variant_id = v.id WHERE v.product_id = p.id AND v.is_active
    ) AS variants
    FROM peer_product p JOIN peer_category c ON c.id = p.category_id WHERE p.id = $1 AND p.is_published`,
}

const LINE = `l.position, l.variant_id, l.sku, l.name AS line_name, l.quantity, l.unit_price::float8 AS unit_price,
  l.total_amount::float8 AS line_amount`
const ORDER = `o.id::float8 AS id, o.status, o.total_amount::float8 AS total_amount, o.placed_at, a.id::float8 AS address_id,
  a.name, a.phone, a.line1, a.city, a.state, a.pin`

export const READ_ORDER = {
  name: 'read_order',
  text: `SELECT ${ORDER}, ${LINE} FROM peer_order o JOIN peer_address a ON a.id = o.shipping_address_id
    JOIN peer_orderline l ON l.order_id = o.id WHERE o.id = $1 AND o.user_id = $2 ORDER BY l.position`,
}

export const FIND_KEY = {
  name: 'find_key',
  text: 'SELECT fingerprint, order_id FROM peer_idempotencykey WHERE user_id = $1 AND key = $2',
}

// All of an order in one statement, which is one transaction. Stock is locked in the order of its keys and judged by what the
// lock returned; every write hangs on the verdict. Of two requests with one key, the second waits at `claimed`, and then
// claims nothing. A key whose order does not exist was refused.
export const PLACE_ORDER = {
  name: 'place_order',
  text: `WITH address AS MATERIALIZED (
      SELECT * FROM peer_address WHERE id = $4 AND user_id = $1
    ), claimed AS (
      INSERT INTO peer_idempotencykey (user_id, key, fingerprint, order_id, created_at)
      SELECT $1, $2, $3, nextval(pg_get_serial_sequence('peer_order', 'id')), now() FROM address
      ON CONFLICT (user_id, key) DO NOTHING RETURNING order_id
    ), wanted AS MATERIALIZED (
      SELECT variant_id, sum(quantity)::int AS quantity, min(position) AS position
      FROM unnest($5::uuid[], $6::int[]) WITH ORDINALITY AS it (variant_id, quantity, position)
      WHERE EXISTS (SELECT 1 FROM claimed) GROUP BY variant_id
    ), locked AS MATERIALIZED (
      SELECT stock.*, wanted.quantity, wanted.position FROM (SELECT * FROM wanted ORDER BY variant_id) wanted
      CROSS JOIN LATERAL (
        SELECT s.variant_id, s.on_hand - s.reserved AS free FROM peer_stock s
        WHERE s.variant_id = wanted.variant_id FOR NO KEY UPDATE
      ) stock
    ), priced AS MATERIALIZED (
      SELECT locked.*, item.* FROM locked CROSS JOIN LATERAL (
        SELECT v.sku, v.price, p.name || ', ' || v.title AS line_name
        FROM peer_variant v JOIN peer_product p ON p.id = v.product_id
        WHERE v.id = locked.variant_id AND v.is_active OFFSET 0
      ) item
    ), verdict AS MATERIALIZED (
      SELECT (SELECT count(*) FROM wanted) = count(*) FILTER (WHERE free >= quantity) AND count(*) > 0 AS holds
      FROM priced
    ), ordered AS (
      INSERT INTO peer_order (id, user_id, shipping_address_id, status, total_amount, placed_at)
      SELECT claimed.order_id, $1, address.id, 'pending_payment', (SELECT sum(price * quantity) FROM priced), now()
      FROM claimed, address, verdict WHERE holds RETURNING *
    ), lined AS (
      INSERT INTO peer_orderline (order_id, position, variant_id, sku, name, quantity, unit_price, total_amount)
      SELECT o.id, row_number() OVER (ORDER BY p.position), variant_id, sku, line_name, quantity, price, price * quantity
      FROM ordered o, priced p RETURNING *
    ), held AS (
      UPDATE peer_stock s SET reserved = s.reserved + locked.quantity FROM locked
      WHERE s.variant_id = locked.variant_id
        AND s.variant_id = ANY (ARRAY(SELECT variant_id FROM locked, ordered))
    ), queued AS (
      INSERT INTO peer_outboxevent (type, order_id, payload, created_at)
      SELECT 'orders.order.placed', id, jsonb_build_object('order_id', id, 'total_amount', total_amount), now() FROM ordered
    )
    SELECT EXISTS (SELECT 1 FROM claimed) AS is_claimed, EXISTS (SELECT 1 FROM address) AS has_address, ${ORDER}, ${LINE}
    FROM (VALUES (1)) AS one LEFT JOIN (ordered o JOIN address a ON true JOIN lined l ON true) ON true
    ORDER BY l.position`,
}
