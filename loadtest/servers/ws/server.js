// ws on one node: /sub/TOPIC gets what /pub/TOPIC says, /pair/MINE/THEIRS gets the one and says the other, and /echo
// gets its own back.
const { WebSocket, WebSocketServer } = require("ws");

const topics = new Map();
const server = new WebSocketServer({
  host: "127.0.0.1",
  port: Number(process.env.PORT),
  backlog: 4096,
  clientTracking: false,
});

function subscribers(topic) {
  if (!topics.has(topic)) topics.set(topic, new Set());
  return topics.get(topic);
}

function subscribe(socket, topic) {
  const all = subscribers(topic);
  all.add(socket);
  socket.on("close", () => all.delete(socket));
}

function publish(socket, topic) {
  const all = subscribers(topic);
  socket.on("message", (data) => {
    for (const subscriber of all) {
      if (subscriber.readyState === WebSocket.OPEN) subscriber.send(data, { binary: false });
    }
  });
}

server.on("connection", (socket, { url }) => {
  socket.on("error", () => {});
  const [kind, topic, target] = url.slice(1).split("/");
  if (kind === "sub") {
    subscribe(socket, topic);
  } else if (kind === "pub") {
    publish(socket, topic);
  } else if (kind === "pair") {
    subscribe(socket, topic);
    publish(socket, target);
  } else {
    socket.on("message", (data) => socket.send(data, { binary: false }));
  }
});
