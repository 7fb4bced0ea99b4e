// Pushes to a user through Redis, with nothing but Node.js 18 or newer: node push.mjs USER ORDER

import { connect } from "node:net";

const [user, order] = process.argv.slice(2);
const url = new URL(process.env.REDIS_URL ?? "redis://127.0.0.1:6379");
const redis = connect({ host: url.hostname, port: Number(url.port || 6379) });
redis.setTimeout(5000, () => redis.destroy(new Error("no answer in time")));
const answers = redis[Symbol.asyncIterator]();

/** What Redis answers to a command, which is short enough to come in one piece. */
async function ask(...words) {
  const texts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
  redis.write(`*${words.length}\r\n${texts.join("")}`);
  const { value, done } = await answers.next();
  const answer = done ? "-no answer" : String(value);
  if (answer.startsWith("-")) {
    throw new Error(answer.slice(1).trim());
  }
  return answer;
}

if (url.password) {
  const name = decodeURIComponent(url.username) || "default";
  await ask("AUTH", name, decodeURIComponent(url.password));
}
const message = {
  // A repeat with the same id within ten minutes is not sent again.
  id: `order-${order}-node`,
  to: `user:${user}`,
  event: "order_ready",
  data: { order_id: Number(order), from: "node" },
};
await ask("XADD", "tg:push", "*", "message", JSON.stringify(message));
redis.destroy();
