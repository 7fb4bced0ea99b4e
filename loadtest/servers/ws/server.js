// ws on one node: /sub gets what /pub says, and /echo gets its own back.
const { WebSocket, WebSocketServer } = require("ws");

const subscribers = new Set();
const server = new WebSocketServer({
  host: "127.0.0.1",
  port: Number(process.env.PORT),
  backlog: 4096,
  clientTracking: false,
});

server.on("connection", (socket, { url }) => {
  socket.on("error", () => {});
  if (url === "/sub") {
    subscribers.add(socket);
    socket.on("close", () => subscribers.delete(socket));
  } else if (url === "/pub") {
    socket.on("message", (data) => {
      for (const subscriber of subscribers) {
        if (subscriber.readyState === WebSocket.OPEN) subscriber.send(data, { binary: false });
      }
    });
  } else {
    socket.on("message", (data) => socket.send(data, { binary: false }));
  }
});
