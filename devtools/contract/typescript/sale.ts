// A sale by the TypeScript client: log-in by OTP, order, payment, and a refund by finance. Run by `make nightly`.
// Every type comes from schema.d.ts, which openapi-typescript makes of the OpenAPI document.

import { randomInt, randomUUID } from "node:crypto";
import { argv, exit } from "node:process";
import createClient from "openapi-fetch";

import type { components, paths } from "./schema.js";

type Order = components["schemas"]["OrderResponse"];
type Payment = components["schemas"]["PaymentResponse"];
type Refund = components["schemas"]["RefundResponse"];
type ApiError = components["schemas"]["Error"];
type Client = ReturnType<typeof createClient<paths>>;

const PATIENCE_MS = 60_000;

class StepFailed extends Error {}

interface Answer<Data> {
  data?: Data;
  error?: ApiError | string;
  response: Response;
}

function good<Data>(answer: Answer<Data>): Data {
  if (answer.data !== undefined) {
    return answer.data;
  }
  const { error, response } = answer;
  const reason = error === undefined || typeof error === "string" ? error : `${error.error.code}: ${error.error.message}`;
  throw new StepFailed(`${response.url} responded with ${response.status}: ${reason ?? "no body"}`);
}

function expect<Value>(what: string, found: Value, wanted: Value): void {
  if (JSON.stringify(found) !== JSON.stringify(wanted)) {
    throw new StepFailed(`${what} should be ${JSON.stringify(wanted)}, but it is ${JSON.stringify(found)}.`);
  }
}

function rupees(paise: number): string {
  return new Intl.NumberFormat("en-IN", { style: "currency", currency: "INR" }).format(paise / 100);
}

function first<Item>(items: readonly Item[], what: string): Item {
  const [item] = items;
  if (item === undefined) {
    throw new StepFailed(`The response has no ${what}.`);
  }
  return item;
}

async function until<Value>(what: string, read: () => Promise<Value | undefined>): Promise<Value> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await read();
    if (found !== undefined) {
      return found;
    }
    if (Date.now() > deadline) {
      throw new StepFailed(`Timed out after ${PATIENCE_MS / 1000} s while waiting for ${what}.`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function step<Value>(name: string, run: () => Promise<{ value: Value; detail: string }>): Promise<Value> {
  try {
    const { value, detail } = await run();
    console.log(`  ${name.padEnd(40)} ${detail}`);
    return value;
  } catch (error) {
    throw new StepFailed(`${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function signedIn(baseUrl: string, token: string): Client {
  return createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}` } });
}

async function control(sandboxUrl: string, method: "GET" | "POST", path: string): Promise<unknown> {
  const response = await fetch(`${sandboxUrl}/__sim__${path}`, {
    method,
    ...(method === "POST" ? { body: "{}", headers: { "Content-Type": "application/json" } } : {}),
  });
  if (!response.ok) {
    throw new StepFailed(`The sandbox responded with ${response.status}: ${await response.text()}`);
  }
  return response.json();
}

async function codeFor(sandboxUrl: string, phone: string): Promise<string> {
  const messages = JSON.stringify(await control(sandboxUrl, "GET", `/sms?to=${phone.slice(1)}&wait=15`));
  const code = /(?<!\d)\d{6}(?!\d)/.exec(messages)?.[0];
  if (code === undefined) {
    throw new StepFailed("No code arrived by SMS.");
  }
  return code;
}

async function logIn(baseUrl: string, sandboxUrl: string): Promise<Client> {
  const anonymous = createClient<paths>({ baseUrl });
  const phone = `+9196${String(randomInt(10 ** 8)).padStart(8, "0")}`;
  const requested = good(await anonymous.POST("/api/v1/auth/otp", { body: { phone } }));
  const body = { challenge_id: requested.id, code: await codeFor(sandboxUrl, phone) };
  const tokens = good(await anonymous.POST("/api/v1/auth/otp/verify", { body }));
  expect("The token type", tokens.token_type, "Bearer");
  return signedIn(baseUrl, tokens.access_token);
}

async function logInFinance(baseUrl: string, email: string, password: string): Promise<Client> {
  const anonymous = createClient<paths>({ baseUrl });
  const body = { email, password };
  const tokens = good(await anonymous.POST("/api/v1/auth/login", { body }));
  return signedIn(baseUrl, tokens.access_token);
}

async function order(buyer: Client): Promise<Order> {
  const query = { q: "energy drink", in_stock: true, limit: 3 };
  const page = good(await buyer.GET("/api/v1/products", { params: { query } }));
  expect("what a list is", page.object, "list");
  const product_id = first(page.data, "product").id;
  const product = good(await buyer.GET("/api/v1/products/{product_id}", { params: { path: { product_id } } }));
  const address = good(
    await buyer.POST("/api/v1/me/addresses", {
      body: { name: "Asha Rao", line1: "12, 4th Cross, Indiranagar", city: "Bengaluru", state: "29", pin: "560038" },
    }),
  );
  const placed = good(
    await buyer.POST("/api/v1/orders", {
      params: { header: { "Idempotency-Key": randomUUID() } },
      body: {
        lines: [{ variant_id: first(product.variants, "variant").id, quantity: 2 }],
        shipping_address_id: address.id,
      },
    }),
  );
  const mine = good(await buyer.GET("/api/v1/orders", {}));
  expect("the orders of the buyer", mine.data.map((each) => each.id), [placed.id]);
  return placed;
}

async function pay(buyer: Client, sandboxUrl: string, placed: Order): Promise<Order> {
  const started = good(
    await buyer.POST("/api/v1/payments", {
      params: { header: { "Idempotency-Key": randomUUID() } },
      body: { order_id: placed.id },
    }),
  );
  const read = async (): Promise<Payment> =>
    good(await buyer.GET("/api/v1/payments/{payment_id}", { params: { path: { payment_id: started.id } } }));
  const upi = await until("the UPI link", async () => (await read()).next_action?.upi ?? undefined);
  await control(sandboxUrl, "POST", `/payments/${upi.gateway_payment_id}/approve`);
  return until("the confirmation", async () => {
    const found = await readOrder(buyer, placed.id);
    return found.status === "confirmed" ? found : undefined;
  });
}

async function readOrder(client: Client, order_id: string): Promise<Order> {
  return good(await client.GET("/api/v1/orders/{order_id}", { params: { path: { order_id } } }));
}

async function refund(finance: Client, paid: Order): Promise<Refund> {
  const requested = good(
    await finance.POST("/api/v1/refunds", {
      params: { header: { "Idempotency-Key": randomUUID() } },
      body: { order_id: paid.id },
    }),
  );
  const refund_id = first(requested.data, "refund").id;
  return until("the refund", async () => {
    const found = good(await finance.GET("/api/v1/refunds/{refund_id}", { params: { path: { refund_id } } }));
    return found.status === "processed" ? found : undefined;
  });
}

async function play(baseUrl: string, sandboxUrl: string, email: string, password: string): Promise<void> {
  const buyer = await step("log in by OTP", async () => {
    const client = await logIn(baseUrl, sandboxUrl);
    const me = good(await client.GET("/api/v1/me", {}));
    return { value: client, detail: me.object };
  });
  const finance = await step("finance logs in", async () => {
    const client = await logInFinance(baseUrl, email, password);
    return { value: client, detail: good(await client.GET("/api/v1/me", {})).roles.join(", ") };
  });
  const placed = await step("list products, order one", async () => {
    const made = await order(buyer);
    return { value: made, detail: `${made.payment_status}, ${rupees(made.total_amount)}` };
  });
  const paid = await step("pay by UPI", async () => {
    const found = await pay(buyer, sandboxUrl, placed);
    expect("The paid amount", found.paid_amount, placed.total_amount);
    return { value: found, detail: `${found.status}, ${found.payment_status}` };
  });
  await step("finance refunds all of it", async () => {
    const made = await refund(finance, paid);
    expect("The refunded amount", made.amount, paid.total_amount);
    expect("The payment status of the order", (await readOrder(buyer, paid.id)).payment_status, "refunded");
    return { value: made, detail: `${made.status}, ${rupees(made.amount)}` };
  });
  await step("an error is read as an error", async () => {
    const path = { order_id: `ord_${"0".repeat(26)}` };
    const { error, response } = await buyer.GET("/api/v1/orders/{order_id}", { params: { path } });
    expect("The status", response.status, 404);
    if (error === undefined || typeof error === "string") {
      throw new StepFailed("The error has no body.");
    }
    expect("The error code", error.error.code, "order_not_found");
    return { value: error, detail: error.error.code };
  });
}

const [baseUrl, sandboxUrl, email, password] = argv.slice(2);
if (baseUrl === undefined || sandboxUrl === undefined || email === undefined || password === undefined) {
  console.error("usage: sale BASE_URL SANDBOX_URL EMAIL PASSWORD");
  exit(2);
}
try {
  await play(baseUrl, sandboxUrl, email, password);
} catch (error) {
  console.error(`The TypeScript client failed at: ${error instanceof Error ? error.message : String(error)}`);
  exit(1);
}
