// socket.io; with REDIS_PORT one of several nodes, by the adapter over Redis streams.
const { createServer } = require("http");
const { Server } = require("socket.io");

async function main() {
  const options = { transports: ["websocket"], serveClient: false };
  if (process.env.REDIS_PORT) {
    const { createClient } = require("redis");
    const { createAdapter } = require("@socket.io/redis-streams-adapter");
    const client = createClient({ socket: { host: "127.0.0.1", port: Number(process.env.REDIS_PORT) } });
    await client.connect();
    options.adapter = createAdapter(client);
  }
  const http = createServer();
  const io = new Server(http, options);
  // Advised by its documentation: the request of the handshake is of no use any more.
  io.engine.on("connection", (connection) => {
    connection.request = null;
  });
  io.on("connection", (socket) => {
    socket.on("sub", (done) => {
      socket.join("bench");
      done();
    });
    socket.on("pub", (text) => io.to("bench").emit("m", text));
    socket.on("join", (room, target, done) => {
      socket.join(room);
      socket.on("say", (text) => io.to(target).emit("m", text));
      done();
    });
    socket.on("echo", (text, answer) => answer(text));
  });
  http.listen(Number(process.env.PORT), "127.0.0.1", 4096);
}

main();
