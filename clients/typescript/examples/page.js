// The camera goes to the server, and comes back changed. The query says where the server is: `?url=…&key=…`.

import { createClient } from "@dispatch/client";

const element = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const client = createClient({
  baseUrl: query.get("url") ?? "http://127.0.0.1:24203",
  ...(query.has("key") && { apiKey: query.get("key") }),
});

const camera = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 360 } });
const session = await client.realtime.connect(camera, {
  model: query.get("model") ?? "mirage",
  initialState: { prompt: { text: element("prompt").value } },
  mirror: "auto",
  onRemoteStream: (stream) => (element("video").srcObject = stream),
});

let seconds = 0;
const show = (text) => (element("state").textContent = text);
session.on("connectionChange", (state) => show(`${state}, ${seconds} seconds`));
session.on("generationTick", (tick) => {
  seconds = tick.seconds;
  show(`${session.connectionState}, ${seconds} seconds`);
});
session.on("error", (error) => show(error.message));

element("form").addEventListener("submit", (event) => {
  event.preventDefault();
  session.setPrompt(element("prompt").value).catch((error) => show(error.message));
});
element("stop").addEventListener("click", async () => {
  session.disconnect();
  for (const track of camera.getTracks()) track.stop();
  const receipt = await session.receipt();
  show(`${receipt.seconds} seconds, ${receipt.credits} credits`);
});
