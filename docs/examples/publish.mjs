// Publishes to a user over HTTP, with nothing but Node.js 18 or newer: node publish.mjs USER ORDER

const [user, order] = process.argv.slice(2);
const gateway = process.env.GATEWAY_URL ?? "http://127.0.0.1:8081";
const answer = await fetch(`${gateway}/api/publish`, {
  method: "POST",
  headers: {
    Authorization: `Bearer ${process.env.GATEWAY_KEY}`,
    "Content-Type": "application/json",
  },
  body: JSON.stringify({
    to: `user:${user}`,
    event: "order_ready",
    data: { order_id: Number(order), from: "node over http" },
  }),
  signal: AbortSignal.timeout(5000),
});
// 503 means that the gateway is busy: repeat it, with an id.
if (!answer.ok) {
  throw new Error(`${answer.status}: ${await answer.text()}`);
}
console.log(await answer.text());
