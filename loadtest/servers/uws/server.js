// uWebSockets.js on one node: /sub gets what /pub says, and /echo gets its own back.
const uws = require("uWebSockets.js");

const app = uws.App();
app.ws("/sub", { open: (socket) => socket.subscribe("bench") });
app.ws("/pub", { message: (_socket, message) => app.publish("bench", message, false) });
app.ws("/echo", { message: (socket, message) => socket.send(message, false) });
app.listen("127.0.0.1", Number(process.env.PORT), (listening) => {
  if (!listening) process.exit(1);
});
