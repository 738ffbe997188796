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
  const told = error === undefined || typeof error === "string" ? error : `${error.error.code}: ${error.error.message}`;
  throw new StepFailed(`${response.url} answered ${response.status}: ${told ?? "nothing"}`);
}

function expect<Value>(what: string, found: Value, wanted: Value): void {
  if (JSON.stringify(found) !== JSON.stringify(wanted)) {
    throw new StepFailed(`${what}: ${JSON.stringify(found)} instead of ${JSON.stringify(wanted)}`);
  }
}

function rupees(paise: number): string {
  return new Intl.NumberFormat("en-IN", { style: "currency", currency: "INR" }).format(paise / 100);
}

function first<Item>(items: readonly Item[], what: string): Item {
  const [item] = items;
  if (item === undefined) {
    throw new StepFailed(`there is no ${what}`);
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
      throw new StepFailed(`${what} did not come within ${PATIENCE_MS / 1000} s`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function step<Value>(name: string, deed: () => Promise<{ value: Value; told: string }>): Promise<Value> {
  try {
    const { value, told } = await deed();
    console.log(`  ${name.padEnd(40)} ${told}`);
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
    throw new StepFailed(`the sandbox answered ${response.status}: ${await response.text()}`);
  }
  return response.json();
}

async function codeFor(sandboxUrl: string, phone: string): Promise<string> {
  const messages = JSON.stringify(await control(sandboxUrl, "GET", `/sms?to=${phone.slice(1)}&wait=15`));
  const code = /(?<!\d)\d{6}(?!\d)/.exec(messages)?.[0];
  if (code === undefined) {
    throw new StepFailed("no code came by SMS");
  }
  return code;
}

async function logIn(baseUrl: string, sandboxUrl: string): Promise<Client> {
  const anonymous = createClient<paths>({ baseUrl });
  const phone = `+9196${String(randomInt(10 ** 8)).padStart(8, "0")}`;
  const asked = good(await anonymous.POST("/api/v1/auth/otp", { body: { phone } }));
  const body = { challenge_id: asked.id, code: await codeFor(sandboxUrl, phone) };
  const tokens = good(await anonymous.POST("/api/v1/auth/otp/verify", { body }));
  expect("the kind of token", tokens.token_type, "Bearer");
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
  const asked = good(
    await finance.POST("/api/v1/refunds", {
      params: { header: { "Idempotency-Key": randomUUID() } },
      body: { order_id: paid.id },
    }),
  );
  const refund_id = first(asked.data, "refund").id;
  return until("the refund", async () => {
    const found = good(await finance.GET("/api/v1/refunds/{refund_id}", { params: { path: { refund_id } } }));
    return found.status === "processed" ? found : undefined;
  });
}

async function play(baseUrl: string, sandboxUrl: string, email: string, password: string): Promise<void> {
  const buyer = await step("log in by OTP", async () => {
    const client = await logIn(baseUrl, sandboxUrl);
    const me = good(await client.GET("/api/v1/me", {}));
    return { value: client, told: me.object };
  });
  const finance = await step("finance logs in", async () => {
    const client = await logInFinance(baseUrl, email, password);
    return { value: client, told: good(await client.GET("/api/v1/me", {})).roles.join(", ") };
  });
  const placed = await step("list products, order one", async () => {
    const made = await order(buyer);
    return { value: made, told: `${made.payment_status}, ${rupees(made.total_amount)}` };
  });
  const paid = await step("pay by UPI", async () => {
    const found = await pay(buyer, sandboxUrl, placed);
    expect("what was paid", found.paid_amount, placed.total_amount);
    return { value: found, told: `${found.status}, ${found.payment_status}` };
  });
  await step("finance refunds all of it", async () => {
    const made = await refund(finance, paid);
    expect("what went back", made.amount, paid.total_amount);
    expect("the order's payment", (await readOrder(buyer, paid.id)).payment_status, "refunded");
    return { value: made, told: `${made.status}, ${rupees(made.amount)}` };
  });
  await step("an error is read as an error", async () => {
    const path = { order_id: `ord_${"0".repeat(26)}` };
    const { error, response } = await buyer.GET("/api/v1/orders/{order_id}", { params: { path } });
    expect("the status", response.status, 404);
    if (error === undefined || typeof error === "string") {
      throw new StepFailed("the error has no body");
    }
    expect("the code", error.error.code, "order_not_found");
    return { value: error, told: error.error.code };
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
  console.error(`the TypeScript client failed at ${error instanceof Error ? error.message : String(error)}`);
  exit(1);
}
