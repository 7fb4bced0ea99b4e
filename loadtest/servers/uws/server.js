// uWebSockets.js on one node: /sub/TOPIC gets what /pub/TOPIC says, /pair/MINE/THEIRS gets the one and says the other, and
// /echo gets its own back.
const uws = require("uWebSockets.js");

const app = uws.App();

// Topics are known when the request is; they come with the socket.
function upgrade(response, request, context) {
  const of = (name) => request.getHeader(`sec-websocket-${name}`);
  const topics = { topic: request.getParameter(0), target: request.getParameter(1) };
  response.upgrade(topics, of("key"), of("protocol"), of("extensions"), context);
}

const open = (socket) => socket.subscribe(socket.getUserData().topic);
app.ws("/sub/:topic", { upgrade, open });
app.ws("/pub/:topic", {
  upgrade,
  message: (socket, message) => app.publish(socket.getUserData().topic, message, false),
});
app.ws("/pair/:topic/:target", {
  upgrade,
  open,
  message: (socket, message) => app.publish(socket.getUserData().target, message, false),
});
app.ws("/echo", { message: (socket, message) => socket.send(message, false) });
app.listen("127.0.0.1", Number(process.env.PORT), (listening) => {
  if (!listening) process.exit(1);
});
